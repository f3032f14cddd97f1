//! How a session ended, as a fixed word for counters. A new reason cannot be forgotten: every match here is
//! exhaustive.

use fingerpost_proto::sync::{Farewell, SessionError};

use super::sessions::RunError;
use crate::net::CodecError;
use crate::store::StoreError;

pub(super) fn word<T>(result: &Result<T, RunError>) -> &'static str {
    match result {
        Ok(_) => "finished",
        Err(RunError::Open(_)) => "not_opened",
        Err(RunError::Codec(error)) => of_codec(error),
        Err(RunError::Session(error)) => of_session(error),
        Err(RunError::Closed) => "closed",
        Err(RunError::Overdue) => "overdue",
        Err(RunError::Own(_)) => "own_fault",
    }
}

fn of_codec(error: &CodecError) -> &'static str {
    match error {
        CodecError::TooLarge { .. } => "frame_too_large",
        CodecError::Corrupt(_) => "corrupt",
        CodecError::Truncated => "truncated",
        CodecError::Stalled { .. } => "stalled",
        CodecError::Finished => "after_the_end",
        CodecError::Io(_) => "connection_failed",
    }
}

fn of_session(error: &SessionError<StoreError>) -> &'static str {
    match error {
        SessionError::Replica(_) => "store_failed",
        SessionError::OtherVersion(_) => "other_version",
        SessionError::Frame(_) => "bad_frame",
        SessionError::OutOfOrder => "out_of_order",
        SessionError::Reconcile(_) => "bad_reconciliation",
        SessionError::TooManyRounds => "too_many_rounds",
        SessionError::TooManyBytes => "too_many_bytes",
        SessionError::Farewell(farewell) => match farewell {
            Farewell::Busy => "busy",
            Farewell::NothingInCommon => "nothing_in_common",
            Farewell::Done => "done_early",
            Farewell::Violation => "violation",
        },
        SessionError::Charter(_) => "bad_charter",
    }
}
