//! Looks up the addresses of hosts: a few at once, each name once, in threads of their own. A dead name server delays only those who need
//! it, and takes a bounded number of threads.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

/// A look-up that takes longer is slow.
const SLOW: Duration = Duration::from_secs(1);

/// The system's look-up of a name, which may block for long, or another one in tests.
type Resolve = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks up names. Clones share the threads and the look-ups in progress.
#[derive(Clone)]
pub struct HostLookup(Arc<Shared>);

struct Shared {
    resolve: Box<Resolve>,
    at_once: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those who wait, by name. A name is here while it is being looked up or waits for that.
    wanted: BTreeMap<String, Vec<oneshot::Sender<io::Result<Vec<IpAddr>>>>>,
    waiting: VecDeque<String>,
    /// The names that took long the last time.
    slow: BTreeSet<String>,
    threads: usize,
    /// Threads that look up a slow name.
    with_slow: usize,
}

/// Without a result in time.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The name server does not answer, or answers slowly.
    #[error("the name {name} is not found within {}", humantime::format_duration(*.within))]
    Slow {
        /// The name.
        name: String,
        /// The longest time for it.
        within: Duration,
    },
    /// The system has no address for the name.
    #[error("{}", .0)]
    Failed(io::Error),
}

impl LookupError {
    /// What to do if names are found too slowly.
    pub const REMEDY: &str = "the name server does not answer in time: check it (`resolvectl query NAME`), or write the address instead of the name";
}

impl fmt::Debug for HostLookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostLookup").field("at_once", &self.0.at_once).finish_non_exhaustive()
    }
}

impl HostLookup {
    /// Looks up as many names at once; the others wait.
    pub fn new(at_once: usize) -> Self {
        HostLookup::resolving_with(at_once, |name| {
            Ok((name, 0).to_socket_addrs()?.map(|address| address.ip()).collect())
        })
    }

    pub(crate) fn resolving_with(
        at_once: usize,
        resolve: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        HostLookup(Arc::new(Shared { resolve: Box::new(resolve), at_once, state: Mutex::default() }))
    }

    /// The addresses of `host:port`, in the system's order. Numbers are not looked up.
    ///
    /// # Errors
    /// The name has no address, or none is known within the time.
    pub async fn addresses(&self, host_and_port: &str, within: Duration) -> Result<Vec<SocketAddr>, LookupError> {
        if let Ok(address) = host_and_port.parse() {
            return Ok(vec![address]);
        }
        let invalid = || LookupError::Failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not host:port"));
        let (host, port) = host_and_port.rsplit_once(':').ok_or_else(invalid)?;
        let port = port.parse().map_err(|_| invalid())?;
        let found = self.host(host, within).await?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// As [`HostLookup::addresses`].
    pub async fn host(&self, name: &str, within: Duration) -> Result<Vec<IpAddr>, LookupError> {
        let slow = || LookupError::Slow { name: name.to_owned(), within };
        let result = self.0.want(name);
        self.start_threads();
        match tokio::time::timeout(within, result).await {
            Ok(Ok(found)) => found.map_err(LookupError::Failed),
            // Its thread could not be started.
            Ok(Err(_)) | Err(_) => Err(slow()),
        }
    }

    fn start_threads(&self) {
        while let Some(name) = self.0.begin() {
            let shared = self.0.clone();
            let started = std::thread::Builder::new().name("look-up".to_owned()).spawn({
                let name = name.clone();
                move || shared.work(name)
            });
            if started.is_err() {
                return self.0.give_up(&name);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic while the lock is held")
    }

    /// Joins the look-up of this name, or queues it: slow names behind the others.
    fn want(&self, name: &str) -> oneshot::Receiver<io::Result<Vec<IpAddr>>> {
        let (found, result) = oneshot::channel();
        let mut state = self.lock();
        if let Some(others) = state.wanted.get_mut(name) {
            others.retain(|other| !other.is_closed());
            others.push(found);
        } else {
            state.wanted.insert(name.to_owned(), vec![found]);
            state.waiting.push_back(name.to_owned());
        }
        result
    }

    /// Takes the next name for a new thread, if one may start.
    fn begin(&self) -> Option<String> {
        let mut state = self.lock();
        if state.threads >= self.at_once {
            return None;
        }
        let name = state.next(self.at_once)?;
        state.threads += 1;
        Some(name)
    }

    /// Looks up this name and then others, until none waits that this thread may take.
    fn work(&self, mut name: String) {
        loop {
            let begun = Instant::now();
            let found = (self.resolve)(&name);
            let mut state = self.lock();
            state.done(&name, found, begun.elapsed() >= SLOW);
            match state.next(self.at_once) {
                Some(next) => name = next,
                None => {
                    state.threads -= 1;
                    return;
                }
            }
        }
    }

    /// The system has no thread: whoever waits for the name gets no result, and can try again.
    fn give_up(&self, name: &str) {
        let mut state = self.lock();
        state.threads -= 1;
        if state.slow.contains(name) {
            state.with_slow -= 1;
        }
        state.wanted.remove(name);
    }
}

impl State {
    /// The next name. Slow ones come last, and take no more than half of the threads.
    fn next(&mut self, at_once: usize) -> Option<String> {
        let usual = self.waiting.iter().position(|name| !self.slow.contains(name));
        let may_be_slow = self.with_slow < at_once.div_ceil(2);
        let place = usual.or_else(|| (may_be_slow && !self.waiting.is_empty()).then_some(0))?;
        self.with_slow += usize::from(usual.is_none());
        self.waiting.remove(place)
    }

    fn done(&mut self, name: &str, found: io::Result<Vec<IpAddr>>, slow: bool) {
        self.with_slow -= usize::from(self.slow.remove(name));
        if slow {
            self.slow.insert(name.to_owned());
        }
        for waiting in self.wanted.remove(name).unwrap_or_default() {
            // Nobody may wait any more.
            let _ = waiting.send(match &found {
                Ok(addresses) => Ok(addresses.clone()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            });
        }
    }
}

#[cfg(test)]
mod tests;
