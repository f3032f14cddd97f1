//! How much the public interface may be asked.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use super::Public;
use super::respond::Failure;

/// Requests that are worked on at a time; others wait their turn.
const AT_ONCE: usize = 4;
/// Requests that wait or are worked on at a time; more are turned away.
const QUEUED_MAX: usize = 64;
/// Addresses that are remembered; when there are more, those with nothing to answer for are forgotten first, then all.
const ADDRESSES_MAX: usize = 10_000;

/// Who has asked how much.
#[derive(Debug)]
pub(super) struct Limits {
    per_minute: u32,
    /// By address: what is left of its allowance, in sixty-thousandths of a request, and since when.
    left: Mutex<BTreeMap<IpAddr, (u64, Instant)>>,
    working: Semaphore,
    queued: Semaphore,
}

/// What one request costs, so that a millisecond gives back `per_minute` of it.
const COST: u64 = 60_000;

impl Limits {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            left: Mutex::new(BTreeMap::new()),
            working: Semaphore::new(AT_ONCE),
            queued: Semaphore::new(QUEUED_MAX),
        }
    }

    /// Takes a request off an address's allowance; answers after how many seconds to come back, if nothing is left.
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), u64> {
        let full = u64::from(self.per_minute) * COST;
        let regained = |(left, since): (u64, Instant)| {
            let elapsed_ms = now.saturating_duration_since(since).as_millis();
            let elapsed_ms = u64::try_from(elapsed_ms).unwrap_or(u64::MAX);
            let back = elapsed_ms.saturating_mul(u64::from(self.per_minute));
            left.saturating_add(back).min(full)
        };
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES_MAX && !all.contains_key(&address) {
            all.retain(|_, it| regained(*it) < full);
            if all.len() >= ADDRESSES_MAX {
                all.clear();
            }
        }
        let left = all.get(&address).map_or(full, |it| regained(*it));
        match left.checked_sub(COST) {
            Some(rest) => {
                all.insert(address, (rest, now));
                Ok(())
            }
            None => {
                all.insert(address, (left, now));
                Err((COST - left).div_ceil(u64::from(self.per_minute).max(1) * 1_000))
            }
        }
    }
}

/// Lets through what is within the limits.
pub(super) async fn guard(
    State(public): State<Public>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let limits = &public.limits;
    if let Err(after_s) = limits.take(from.ip(), Instant::now()) {
        return turned_away(after_s, "too many requests from this address");
    }
    let Ok(_queued) = limits.queued.try_acquire() else {
        return turned_away(1, "this node has too much to do just now");
    };
    let _working = limits.working.acquire().await;
    next.run(request).await
}

fn turned_away(after_s: u64, why: &str) -> Response {
    let mut response = Failure {
        status: StatusCode::TOO_MANY_REQUESTS,
        message: format!("{why}; try again in {after_s} s"),
    }
    .into_response();
    let after = HeaderValue::from(after_s);
    response.headers_mut().insert(header::RETRY_AFTER, after);
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at what it did not expect")]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_address_has_its_allowance_back_after_a_while_and_others_have_their_own() {
        let limits = Limits::new(60);
        let start = Instant::now();
        let [one, two] = [1, 2].map(|n| IpAddr::from(Ipv4Addr::new(192, 0, 2, n)));
        for _ in 0..60 {
            assert_eq!(limits.take(one, start), Ok(()));
        }
        assert_eq!(limits.take(one, start), Err(1));
        assert_eq!(limits.take(two, start), Ok(()));
        let later = start + Duration::from_secs(2);
        assert_eq!(limits.take(one, later), Ok(()));
        assert_eq!(limits.take(one, later), Ok(()));
        assert_eq!(limits.take(one, later), Err(1));
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let limits = Limits::new(60);
        let start = Instant::now();
        for n in 0..u32::try_from(ADDRESSES_MAX + 10).unwrap_or(0) {
            let address = IpAddr::from(Ipv4Addr::from(n));
            assert_eq!(limits.take(address, start), Ok(()));
        }
        assert!(limits.left.lock().unwrap().len() <= ADDRESSES_MAX);
    }
}
