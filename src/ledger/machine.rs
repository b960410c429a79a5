//! The machine that a ledger belongs to: a cloned disk must not report the same figures.

use crate::shard::Shard;

/// What the ledger's owner is known by: the shard that it is of, which may move from machine to machine, or else this machine.
pub fn owner(shard: Option<Shard>) -> Option<String> {
    shard.map(Shard::owner).or_else(mark)
}

/// A hash that identifies this machine; absent if the machine has no identity (an image that was never started).
///
/// systemd asks to keep `/etc/machine-id` confidential (machine-id(5)), so it is a CRC32 of that with a prefix. Two of four thousand million
/// machines have the same one, which is rare enough to detect a clone.
pub fn mark() -> Option<String> {
    mark_of(&crate::files::system_text("/etc/machine-id")?)
}

fn mark_of(text: &str) -> Option<String> {
    let id = text.trim();
    let whole = id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit());
    whole.then(|| format!("{:08x}", crc32fast::hash(format!("arkmeter ledger on {id}").as_bytes())))
}

#[cfg(test)]
mod tests;
