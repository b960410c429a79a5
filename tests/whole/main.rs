//! The whole program: the real `arkmeter` on real sockets and pseudo-terminals, simulated meters and a strict Arkreen on the other side.

mod harness;
mod world;

mod accepted;
mod asked;
mod away;
mod cloud;
mod command_line;
mod demo;
mod doors;
mod faulty;
mod interoperability;
mod killed;
mod late;
mod listener;
mod reload;
mod secrets;
mod state;
mod support;
mod systemd;
