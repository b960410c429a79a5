//! Links in memory, for tests on tokio's paused clock: no socket, so no time passes but the simulated one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

/// What an address begins with that is one of these links.
const SCHEME: &str = "memory:";
/// More than any frame.
const BUFFER: usize = 4096;

thread_local! {
    /// Of this thread's test alone.
    static HOSTS: RefCell<BTreeMap<String, mpsc::UnboundedSender<DuplexStream>>> = RefCell::default();
    static TRAPS: RefCell<BTreeMap<String, Trap>> = RefCell::default();
}

/// A defect in whoever opens an address of which nobody is the host.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trap {
    Panics,
    Hangs,
}

/// From now on whoever opens this address (it begins with `memory:`) has that defect.
pub(crate) fn set_trap(address: &str, trap: Trap) {
    TRAPS.with_borrow_mut(|traps| traps.insert(address.to_owned(), trap));
}

/// The other end of a link: whoever opens its address is accepted here. Dropped, the address refuses.
#[derive(Debug)]
pub(crate) struct Host {
    address: String,
    opened: mpsc::UnboundedReceiver<DuplexStream>,
}

impl Host {
    /// At an address of its own.
    pub(crate) fn new(name: &str) -> Self {
        static MADE: AtomicU64 = AtomicU64::new(0);
        Host::at(format!("{SCHEME}{name}-{}", MADE.fetch_add(1, Ordering::Relaxed)))
    }

    /// At the address of another one, which keeps what was opened before and gets nothing new.
    pub(crate) fn at(address: String) -> Self {
        let (opening, opened) = mpsc::unbounded_channel();
        HOSTS.with_borrow_mut(|hosts| hosts.insert(address.clone(), opening));
        Host { address, opened }
    }

    /// What a bus writes as its `tcp` or `rtu_over_tcp`.
    pub(crate) fn address(&self) -> String {
        self.address.clone()
    }

    pub(crate) async fn accept(&mut self) -> DuplexStream {
        match self.opened.recv().await {
            Some(stream) => stream,
            // Another one has the address.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        HOSTS.with_borrow_mut(|hosts| hosts.remove(&self.address));
    }
}

/// `None` where the address is not one in memory.
pub(super) async fn connect(address: &str) -> Option<io::Result<DuplexStream>> {
    if !address.starts_with(SCHEME) {
        return None;
    }
    match TRAPS.with_borrow(|traps| traps.get(address).copied()) {
        Some(Trap::Panics) => panic!("on purpose"),
        Some(Trap::Hangs) => std::future::pending().await,
        None => {}
    }
    let (ours, theirs) = tokio::io::duplex(BUFFER);
    let accepted = HOSTS.with_borrow(|hosts| hosts.get(address).is_some_and(|host| host.send(theirs).is_ok()));
    Some(if accepted { Ok(ours) } else { Err(io::ErrorKind::ConnectionRefused.into()) })
}
