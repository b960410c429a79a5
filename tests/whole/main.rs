//! The whole program: the real `arkmeter` on real sockets and pseudo-terminals, simulated meters and a strict Arkreen on the other side.

mod harness;
mod world;

mod accepted;
mod asked;
mod away;
mod cloud;
mod command_line;
mod demo;
mod faulty;
mod inspected;
mod interoperability;
mod killed;
mod late;
mod listener;
mod reload;
mod scanned;
mod secrets;
mod state;
mod systemd;
