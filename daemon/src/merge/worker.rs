//! The child's side.

use std::io::{self, Write};
use std::process::ExitCode;

use fingerpost_proto::documents::{ChangeNote, OwnDocument};
use rustix::process::{Resource, Rlimit, setrlimit};

use super::wire::{Answer, Request};
use super::{CPU_MAX_S, MEMORY_MAX_BYTES};

/// The whole life of a merge worker: limits, request, answer. Whatever goes wrong, it only ends.
pub fn main() -> ExitCode {
    match limit_this_process().and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn limit_this_process() -> io::Result<()> {
    let limits = [
        (Resource::Data, MEMORY_MAX_BYTES),
        (Resource::Cpu, CPU_MAX_S),
        (Resource::Core, 0),
        // What it has is all it gets: no file, no socket, no child.
        (Resource::Nofile, 3),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}

fn serve() -> io::Result<()> {
    let request = Request::read(&mut io::stdin().lock())?;
    let answer = merge(&request).map_err(io::Error::other)?;
    let mut out = io::stdout().lock();
    answer.write(&mut out)?;
    out.flush()
}

fn merge(request: &Request) -> Result<Answer, fingerpost_proto::documents::DocumentError> {
    let mut sibling = OwnDocument::load(&request.sibling, &request.actor)?;
    let note = ChangeNote {
        who: "this node".into(),
        what: "brought back: changed on one node while it was removed on another".into(),
        operation: String::new(),
    };
    let (mut merged, gained, kept) = match request.own.is_empty() {
        true => (sibling, true, Vec::new()),
        false => {
            let mut own = OwnDocument::load(&request.own, &request.actor)?;
            let now_s = i64::try_from(request.now_s).unwrap_or(0);
            let merged = own.merge(&mut sibling, &note, now_s)?;
            (own, merged.gained, merged.kept)
        }
    };
    let document = merged.save();
    // Some documents can be read but not read again once they were written: better to know it here.
    let mut again = OwnDocument::load(&document, &request.actor)?;
    let value = again.value()?;
    Ok(Answer {
        heads: again.heads(),
        value: serde_json::to_vec(&value)?,
        document,
        gained,
        kept,
    })
}
