//! `fingerpost`: search the federation, keep your listing, run your networks.
//!
//! One file a command in [`commands`]; the daemon is reached through its local API alone ([`client`]).
//! [`error`] says which exit code and which hint belongs to which failure, [`input`] reads what people
//! hand over, [`exchange`] reads and writes foreign files, [`output`] says how things are shown, and [`demo`] starts a whole federation on this machine.

mod client;
mod commands;
mod demo;
mod error;
mod exchange;
mod feeds;
mod input;
mod map;
mod output;

use std::process::ExitCode;

fn main() -> ExitCode {
    commands::main(std::env::args_os().collect())
}
