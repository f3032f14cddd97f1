//! Holds the test in `tests/planted.rs`, apart from everything that builds the daemon: see
//! `docs/decisions/0014-planted-bugs.md`.
