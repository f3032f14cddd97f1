//! A bundle into this node: each item is checked like anything that a peer sends.

use std::sync::TryLockError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fingerpost_proto::api::{BundleFault, ImportedBundle, LastBundle};
use fingerpost_proto::bundle::{BundleError, Event, Header, Reader};
use fingerpost_proto::limits;
use fingerpost_proto::replica::{Checked, Item, Outcome, Refusal};

use super::expand;
use crate::node::budgets::{REFUSED_BYTES, WORK_BURST_BYTES};
use crate::node::membership::name_of;
use crate::node::{Node, NodeError, now_s};

/// Most items of one bundle that are refused before the rest is not looked at any more: what is refused costs as
/// much as in sessions, and may cost no more.
pub const REFUSED_MAX: u64 = WORK_BURST_BYTES / REFUSED_BYTES;
/// Longest that one import may take, in seconds. What was taken by then is kept, and the next one goes on from there.
pub const IMPORT_MAX_S: u64 = 2 * 60 * 60;
/// How many faults a report names one by one; the others are counted.
const FAULTS_NAMED_MAX: usize = 100;

/// An import that is under way.
struct Intake<'a> {
    node: &'a Node,
    reader: Reader,
    begun: Instant,
    most: Duration,
    report: Option<ImportedBundle>,
}

impl Node {
    /// Takes in a bundle that comes in parts, holding no more than one of them and one item. Whatever was taken
    /// is kept, also when the parts end early. All parts are asked for even if the bundle is refused, for whoever
    /// sends them is not listening meanwhile.
    ///
    /// # Errors
    /// [`NodeError`] if it is no bundle, or of a network that is not one of this node's; or if the store fails.
    pub fn import_bundle<P: AsRef<[u8]>>(
        &self,
        parts: impl Iterator<Item = P>,
    ) -> Result<ImportedBundle, NodeError> {
        self.import_bundle_within(parts, Duration::from_secs(IMPORT_MAX_S))
    }

    /// The same with another limit on how long it may take.
    ///
    /// # Errors
    /// As [`Node::import_bundle`].
    pub fn import_bundle_within<P: AsRef<[u8]>>(
        &self,
        mut parts: impl Iterator<Item = P>,
        most: Duration,
    ) -> Result<ImportedBundle, NodeError> {
        let imported = self.take_bundle(&mut parts, most);
        let most = limits::BUNDLE_MAX_BYTES;
        let mut passed_over = 0_u64;
        while let Some(part) = parts.next().filter(|_| passed_over < most) {
            passed_over = passed_over.saturating_add(part.as_ref().len() as u64);
        }
        imported
    }

    fn take_bundle<P: AsRef<[u8]>>(
        &self,
        parts: &mut impl Iterator<Item = P>,
        most: Duration,
    ) -> Result<ImportedBundle, NodeError> {
        let _turn = match self.bundles.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                return Err(NodeError::refused(
                    "another bundle is being imported; of this one nothing was taken",
                    "wait until that one is done, then import this one",
                ));
            }
        };
        let mut intake = Intake {
            node: self,
            reader: Reader::default(),
            begun: Instant::now(),
            most,
            report: None,
        };
        loop {
            let part = parts.next();
            match &part {
                Some(part) => intake.reader.handle_bytes(part.as_ref()),
                None => intake.reader.handle_end(),
            }
            let taken = intake.take_events();
            // Whatever came of it, what was taken can be found.
            self.feed();
            taken?;
            if part.is_none() || intake.is_stopped() {
                return intake.finish();
            }
        }
    }
}

impl Intake<'_> {
    fn take_events(&mut self) -> Result<(), NodeError> {
        while !self.is_stopped()
            && let Some(event) = self.reader.poll(expand)
        {
            match event {
                Ok(Event::Header(header)) => self.report = Some(self.begin(&header)?),
                Ok(Event::Charter(_)) => {}
                Ok(Event::Item { line, item }) => self.take(line, *item)?,
                Ok(Event::Damaged { line, error }) => {
                    self.node.count_refusal("damaged");
                    self.refuse(line, "damaged", &error);
                }
                Err(error) => self.stop_reading(&error)?,
            }
            if self.begun.elapsed() > self.most {
                self.stop("it took too long");
            }
        }
        Ok(())
    }

    /// Looks whether the bundle concerns this node at all.
    fn begin(&self, header: &Header) -> Result<ImportedBundle, NodeError> {
        let mut replica = self.node.replica();
        if !replica.is_active(&header.network) {
            return Err(not_ours(header));
        }
        Ok(ImportedBundle {
            network: header.network,
            name: name_of(&mut replica, &header.network),
            node: header.node,
            made_at_s: header.made_at_s,
            since_s: header.since_s,
            items: 0,
            added: 0,
            known: 0,
            older: 0,
            foreign: 0,
            declined: 0,
            refused: 0,
            faults: Vec::new(),
            missing: 0,
            whole: false,
            stopped: None,
        })
    }

    fn take(&mut self, line: u64, item: Item) -> Result<(), NodeError> {
        // Signatures and hashes are checked before the replica's lock is taken.
        let outcome = match item.check() {
            Ok(checked) => self.receive(checked)?,
            Err(refusal) => Outcome::Refused(refusal),
        };
        let Some(report) = &mut self.report else {
            return Ok(());
        };
        match outcome {
            Outcome::Accepted(_) => report.added += 1,
            Outcome::AlreadyKnown => report.known += 1,
            // A bundle ages: whoever has left since it was made is no fault of it.
            Outcome::Dominated | Outcome::Refused(Refusal::HasLeft(_)) => report.older += 1,
            Outcome::Refused(Refusal::Blocked(_) | Refusal::OverQuota(_)) => report.declined += 1,
            Outcome::Refused(refusal @ Refusal::NotAMember(_)) => {
                report.foreign += 1;
                self.node.count_refusal(refusal.name());
                self.name_fault(line, refusal.name(), &refusal);
            }
            Outcome::Refused(refusal) => {
                self.node.count_refusal(refusal.name());
                self.refuse(line, refusal.name(), &refusal);
            }
        }
        Ok(())
    }

    fn receive(&self, checked: Checked) -> Result<Outcome, NodeError> {
        let is_card = matches!(
            &checked,
            Checked::Record(record) if record.record.get().document.is_card()
        );
        let again = is_card.then(|| checked.clone());
        let mut replica = self.node.replica();
        let outcome = replica.receive(now_s(), checked)?;
        if let (Outcome::Refused(Refusal::TooManyApplicants), Some(again), Some(report)) =
            (&outcome, again, &self.report)
        {
            // Perhaps those who vouch for it have only just come: the roster knows once it is computed anew.
            replica.roster(&report.network);
            return Ok(replica.receive(now_s(), again)?);
        }
        Ok(outcome)
    }

    fn refuse(&mut self, line: u64, reason: &str, message: &impl std::fmt::Display) {
        if let Some(report) = &mut self.report {
            report.refused += 1;
            if report.refused >= REFUSED_MAX {
                report.stopped = Some(format!("{REFUSED_MAX} items of it were refused"));
            }
        }
        self.name_fault(line, reason, message);
    }

    fn name_fault(&mut self, line: u64, reason: &str, message: &impl std::fmt::Display) {
        if let Some(report) = &mut self.report
            && report.faults.len() < FAULTS_NAMED_MAX
        {
            report.faults.push(BundleFault {
                line,
                reason: reason.to_owned(),
                message: message.to_string(),
            });
        }
    }

    /// The file is no bundle; or it is one, and goes on for too long.
    fn stop_reading(&mut self, error: &BundleError) -> Result<(), NodeError> {
        if self.report.is_none() {
            return Err(no_bundle(error));
        }
        self.stop(&error.to_string());
        Ok(())
    }

    fn stop(&mut self, why: &str) {
        if let Some(report) = &mut self.report {
            report.stopped.get_or_insert_with(|| why.to_owned());
        }
    }

    fn is_stopped(&self) -> bool {
        let stopped = |report: &ImportedBundle| report.stopped.is_some();
        self.report.as_ref().is_some_and(stopped)
    }

    fn finish(self) -> Result<ImportedBundle, NodeError> {
        let Some(mut report) = self.report else {
            return Err(no_bundle(&BundleError::BadHeader));
        };
        let ending = self.reader.ending();
        report.items = ending.items;
        report.whole = ending.is_whole && report.stopped.is_none();
        report.missing = match &report.stopped {
            Some(_) => 0,
            None => ending.missing,
        };
        let node = self.node;
        node.note_bundle(&LastBundle {
            imported_at_s: now_s(),
            network: report.network,
            name: report.name.clone(),
            node: report.node,
            organisations: Vec::new(),
            made_at_s: report.made_at_s,
            added: report.added,
            complete: report.is_complete(),
        })?;
        node.bundle_taken(&report);
        Ok(report)
    }
}

impl Node {
    /// As after a session with a peer: others hear of what is new, and chores that waited for word of others are due.
    fn bundle_taken(&self, report: &ImportedBundle) {
        self.refresh_trusted();
        if report.whole && report.node != self.id() {
            self.exchanged.store(true, Ordering::Release);
        }
        if report.added > 0 {
            self.changed_own();
        }
        self.tend_soon();
        self.wake.notify_one();
        tracing::info!(
            network = %report.network.short(), items = report.items, new = report.added,
            refused = report.refused, missing = report.missing, "a bundle was imported"
        );
    }
}

fn not_ours(header: &Header) -> NodeError {
    NodeError::refused(
        format!(
            "this bundle is of the network {} ({}), in which this node takes no part; nothing of it was taken",
            header.name,
            header.network.short()
        ),
        "to join it, with the ticket of a member: fingerpost join TICKET --bundle FILE",
    )
}

fn no_bundle(error: &BundleError) -> NodeError {
    let hint = match error {
        BundleError::UnknownFormat(_) => "update Fingerpost on this machine, then import it again",
        _ => "use another copy of the file, as `fingerpost bundle export` wrote it",
    };
    NodeError::bad_input(format!("{error}; nothing was changed"), hint)
}
