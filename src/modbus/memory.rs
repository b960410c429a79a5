//! Links in memory, for tests on tokio's paused clock.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// The beginning of each address in memory.
const SCHEME: &str = "memory:";
/// More than any frame.
const BUFFER: usize = 4096;

thread_local! {
    /// Each test runs in a thread of its own.
    static HOSTS: RefCell<BTreeMap<String, mpsc::UnboundedSender<DuplexStream>>> = RefCell::default();
    static HANGING: RefCell<BTreeSet<String>> = RefCell::default();
}

/// From now on the task that opens this address (it begins with `memory:`) hangs.
pub(crate) fn hang_at(address: &str) {
    HANGING.with_borrow_mut(|hanging| hanging.insert(address.to_owned()));
}

/// The other end of a link: it accepts what opens its address. When it is dropped, the address refuses connections.
#[derive(Debug)]
pub(crate) struct Host {
    address: String,
    opened: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Host {
    /// A host with an address of its own.
    pub(crate) fn new(name: &str) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Host::at(format!("{SCHEME}{name}-{}", MADE.fetch_add(1, Ordering::Relaxed)))
    }

    /// Takes over the address of another host, which keeps its open links and gets no new ones.
    pub(crate) fn at(address: String) -> Self {
        let (opening, opened) = mpsc::unbounded_channel();
        HOSTS.with_borrow_mut(|hosts| hosts.insert(address.clone(), opening));
        Host { address, opened }
    }

    /// For a bus's `tcp` or `rtu_over_tcp`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) async fn accept(&mut self) -> DuplexStream {
        match self.opened.recv().await {
            Some(stream) => stream,
            // Another host has the address.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        HOSTS.with_borrow_mut(|hosts| hosts.remove(&self.address));
    }
}

/// `None` where the address is not in memory.
pub(super) async fn connect(address: &str) -> Option<io::Result<DuplexStream>> {
    if !address.starts_with(SCHEME) {
        return None;
    }
    if HANGING.with_borrow(|hanging| hanging.contains(address)) {
        return std::future::pending().await;
    }
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let accepted = HOSTS.with_borrow(|hosts| hosts.get(address).is_some_and(|host| host.send(theirs).is_ok()));
    Some(if accepted { Ok(ours) } else { Err(io::ErrorKind::ConnectionRefused.into()) })
}
