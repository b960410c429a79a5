//! The doors of the running daemon: the status listener and the control socket, opened anew where a reload moves them.

use tokio::sync::{mpsc, watch};

use super::supervisor::{RunningTask, TaskSupervisor};
use crate::config;
use crate::heartbeat::Hearts;
use crate::recorder::Recorder;
use crate::status::control::{ControlRequest, ControlSocket};
use crate::status::{StatusListener, StatusSources};

/// What serves the status at the moment.
pub struct Listeners {
    sources: StatusSources,
    asked: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
    settings: Option<config::StatusConfig>,
    open: Vec<RunningTask>,
    /// Dropping it closes them.
    stop: Option<watch::Sender<bool>>,
}

impl Listeners {
    /// All doors closed.
    pub fn new(sources: StatusSources, asked: mpsc::Sender<ControlRequest>, recorder: Recorder) -> Self {
        Listeners { sources, asked, recorder, settings: None, open: Vec::new(), stop: None }
    }

    /// Opens what `settings` ask for; what is open so already stays open.
    pub async fn apply(&mut self, settings: &config::StatusConfig, fleet: &mut TaskSupervisor, hearts: &Hearts) {
        if self.settings.as_ref() == Some(settings) {
            return;
        }
        self.close(fleet).await;
        let (stop, stopped) = watch::channel(false);
        let (sources, asked) = (self.sources.clone(), self.asked.clone());
        let control = ControlSocket::new(settings.socket.clone(), sources, asked, self.recorder.clone());
        self.open.push(fleet.start("control socket", control.run(hearts.heart("control socket"), stopped.clone())));
        if let Some(address) = settings.listen {
            let listener = StatusListener::new(address, settings.hosts.clone(), self.sources.clone());
            self.open.push(fleet.start("status listener", listener.run(hearts.heart("status listener"), stopped)));
        }
        (self.settings, self.stop) = (Some(settings.clone()), Some(stop));
    }

    /// Closes all of them.
    pub async fn close(&mut self, fleet: &mut TaskSupervisor) {
        self.stop = None;
        fleet.finish(std::mem::take(&mut self.open)).await;
    }
}
