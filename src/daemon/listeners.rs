//! The listeners of the running daemon: the status listener and the control socket. A reload that moves them opens them again.
//!
//! They run on a thread of their own: whoever asks for much, or for much at once, delays no poll.

use std::io;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, watch};

use super::supervisor::{RunningTask, TaskSupervisor};
use crate::config;
use crate::heartbeat::Hearts;
use crate::recorder::Recorder;
use crate::status::control::{ControlRequest, ControlSocket};
use crate::status::{StatusListener, StatusSources};

/// Starts the thread of the listeners, which runs as long as the process.
///
/// # Errors
/// The system has no thread or no file descriptor left.
pub(super) fn start_thread() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let run = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("listeners".to_owned()).spawn(run)?;
    Ok(handle)
}

/// The listeners that are open.
pub(super) struct Listeners {
    runtime: Handle,
    sources: StatusSources,
    commands: mpsc::Sender<ControlRequest>,
    recorder: Recorder,
    settings: Option<config::StatusConfig>,
    open: Vec<RunningTask>,
    /// Dropping it closes them.
    stop: Option<watch::Sender<bool>>,
}

impl Listeners {
    /// No listener is open. They will run on `runtime`.
    pub(super) fn new(
        runtime: Handle,
        sources: StatusSources,
        commands: mpsc::Sender<ControlRequest>,
        recorder: Recorder,
    ) -> Self {
        Listeners { runtime, sources, commands, recorder, settings: None, open: Vec::new(), stop: None }
    }

    /// Where they run.
    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
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
        self.open.push(supervisor.start_on(&self.runtime, "control socket", running));
        if let Some(address) = settings.listen {
            let listener = StatusListener::new(address, settings.hosts.clone(), self.sources.clone());
            let running = listener.run(hearts.heart("status listener"), stopped);
            self.open.push(supervisor.start_on(&self.runtime, "status listener", running));
        }
        (self.settings, self.stop) = (Some(settings.clone()), Some(stop));
    }

    /// Closes all of them.
    pub(super) async fn close(&mut self, supervisor: &mut TaskSupervisor) {
        self.stop = None;
        supervisor.finish(std::mem::take(&mut self.open)).await;
    }
}
