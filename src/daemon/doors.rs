//! The doors of the running daemon: the status listener and the control socket, opened anew where a reload moves them.

use tokio::sync::{mpsc, watch};

use super::fleet::{Fleet, Task};
use crate::config;
use crate::heartbeat::Hearts;
use crate::recorder::Recorder;
use crate::status::control::{Asked, Control};
use crate::status::{Listener, Sources};

/// What serves the status at the moment.
pub struct Doors {
    sources: Sources,
    asked: mpsc::Sender<Asked>,
    recorder: Recorder,
    settings: Option<config::StatusConfig>,
    open: Vec<Task>,
    /// Dropping it closes them.
    stop: Option<watch::Sender<bool>>,
}

impl Doors {
    /// All doors closed.
    pub fn new(sources: Sources, asked: mpsc::Sender<Asked>, recorder: Recorder) -> Self {
        Doors { sources, asked, recorder, settings: None, open: Vec::new(), stop: None }
    }

    /// Opens what `settings` ask for; what is open so already stays open.
    pub async fn apply(&mut self, settings: &config::StatusConfig, fleet: &mut Fleet, hearts: &Hearts) {
        if self.settings.as_ref() == Some(settings) {
            return;
        }
        self.close(fleet).await;
        let (stop, stopped) = watch::channel(false);
        let (sources, asked) = (self.sources.clone(), self.asked.clone());
        let control = Control::new(settings.socket.clone(), sources, asked, self.recorder.clone());
        self.open.push(fleet.start("control socket", control.run(hearts.heart("control socket"), stopped.clone())));
        if let Some(address) = settings.listen {
            let listener = Listener::new(address, settings.hosts.clone(), self.sources.clone());
            self.open.push(fleet.start("status listener", listener.run(hearts.heart("status listener"), stopped)));
        }
        (self.settings, self.stop) = (Some(settings.clone()), Some(stop));
    }

    /// Closes all of them.
    pub async fn close(&mut self, fleet: &mut Fleet) {
        self.stop = None;
        fleet.finish(std::mem::take(&mut self.open)).await;
    }
}
