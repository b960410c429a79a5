//! The listeners of the running daemon: the status listener and the control socket. A reload that moves them opens them again.

use tokio::sync::{mpsc, watch};

use super::supervisor::{RunningTask, TaskSupervisor};
use crate::config;
use crate::heartbeat::Hearts;
use crate::recorder::Recorder;
use crate::status::control::{ControlRequest, ControlSocket};
use crate::status::{StatusListener, StatusSources};

/// The listeners that are open.
pub(super) struct Listeners {
    sources: StatusSources,
    commands: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
    settings: Option<config::StatusConfig>,
    open: Vec<RunningTask>,
    /// Dropping it closes them.
    stop: Option<watch::Sender<bool>>,
}

impl Listeners {
    /// No listener is open.
    pub(super) fn new(sources: StatusSources, commands: mpsc::Sender<ControlRequest>, recorder: Recorder) -> Self {
        Listeners { sources, commands, recorder, settings: None, open: Vec::new(), stop: None }
    }

    /// Opens what `settings` require. When they have not changed, the listeners stay open.
    pub(super) async fn apply(
        &mut self,
        settings: &config::StatusConfig,
        supervisor: &mut TaskSupervisor,
        hearts: &Hearts,
    ) {
        if self.settings.as_ref() == Some(settings) {
            return;
        }
        self.close(supervisor).await;
        let (stop, stopped) = watch::channel(false);
        let (sources, commands) = (self.sources.clone(), self.commands.clone());
        let control = ControlSocket::new(settings.socket.clone(), sources, commands, self.recorder.clone());
        let running = control.run(hearts.heart("control socket"), stopped.clone());
        self.open.push(supervisor.start("control socket", running));
        if let Some(address) = settings.listen {
            let listener = StatusListener::new(address, settings.hosts.clone(), self.sources.clone());
            let running = listener.run(hearts.heart("status listener"), stopped);
            self.open.push(supervisor.start("status listener", running));
        }
        (self.settings, self.stop) = (Some(settings.clone()), Some(stop));
    }

    /// Closes all of them.
    pub(super) async fn close(&mut self, supervisor: &mut TaskSupervisor) {
        self.stop = None;
        supervisor.finish(std::mem::take(&mut self.open)).await;
    }
}
