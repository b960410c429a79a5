//! The whole program: the real `arkmeter` on real sockets and pseudo-terminals, simulated meters and a strict Arkreen on the other side.

mod disk;
mod harness;
mod world;

mod accepted;
mod asked;
mod away;
mod cloud;
mod command_line;
mod cuts;
mod demo;
mod doors;
mod faulty;
mod history;
mod inspected;
mod interoperability;
mod killed;
mod kills;
mod late;
mod listener;
mod meters;
mod moved;
mod process;
mod quality;
mod recorded;
mod reload;
mod renamed;
mod scanned;
mod secrets;
mod soak;
mod state;
mod support;
mod sweep;
mod systemd;
