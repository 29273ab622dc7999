//! What a guest's computing is charged to.

use std::time::Duration;

use wasm_flow_contract::limits::Limits;

use super::Exceeded;
use crate::bounds::BACKGROUND_WINDOW;
use crate::progress::CallId;

/// The bounds on an instance's computing, and what it has computed outside of its calls: what
/// a call left behind when it returned. What a call computes is kept with the call.
#[derive(Debug)]
pub(crate) struct Charges {
    /// `limits.cpu`.
    cpu: Option<Duration>,
    /// `limits.background`.
    background: Duration,
    /// None while it starts and stops, which have bounds of their own.
    outside: Option<Outside>,
}

#[derive(Debug)]
struct Outside {
    /// Since when it is counted.
    since: Duration,
    computed: Duration,
}

impl Charges {
    pub(crate) fn new(limits: &Limits) -> Self {
        Charges {
            cpu: limits.cpu,
            background: limits.background,
            outside: None,
        }
    }

    /// It has started: from now on what it computes outside of calls counts.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.outside = Some(Outside {
            since: now,
            computed: Duration::ZERO,
        });
    }

    /// It stops: what it computes counts no more.
    pub(crate) fn end(&mut self) {
        self.outside = None;
    }

    /// Charges a call, which has `computed` so much already.
    pub(crate) fn call(
        &self,
        call: CallId,
        computed: &mut Duration,
        ran: Duration,
    ) -> Result<(), Exceeded> {
        let used = computed.saturating_add(ran);
        *computed = used;
        match self.cpu {
            Some(limit) if used > limit => Err(Exceeded::Cpu { call, used, limit }),
            _ => Ok(()),
        }
    }

    /// Charges what was computed outside of all calls until `now`.
    pub(crate) fn outside(&mut self, ran: Duration, now: Duration) -> Result<(), Exceeded> {
        let Some(outside) = &mut self.outside else {
            return Ok(());
        };
        if now.saturating_sub(outside.since) > BACKGROUND_WINDOW {
            outside.since = now;
            outside.computed = Duration::ZERO;
        }
        outside.computed = outside.computed.saturating_add(ran);
        match outside.computed > self.background {
            true => Err(Exceeded::Background {
                used: outside.computed,
                limit: self.background,
            }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn charges(cpu: Option<Duration>) -> Charges {
        Charges::new(&Limits {
            cpu,
            background: SECOND,
            ..Limits::default()
        })
    }

    #[test]
    fn a_call_is_charged_for_all_of_its_slices() {
        let (bounded, free) = (charges(Some(SECOND)), charges(None));
        let mut computed = Duration::ZERO;
        assert_eq!(bounded.call(7, &mut computed, SECOND), Ok(()));
        let error = bounded.call(7, &mut computed, SECOND / 2).unwrap_err();
        let used = SECOND * 3 / 2;
        let limit = SECOND;
        assert_eq!(
            error,
            Exceeded::Cpu {
                call: 7,
                used,
                limit
            }
        );
        assert_eq!(free.call(7, &mut computed, SECOND * 1000), Ok(()));
    }

    #[test]
    fn what_is_left_behind_is_counted_while_it_serves_and_anew_after_ten_seconds() {
        let mut charges = charges(None);
        let mut at = Duration::ZERO;
        // While it starts.
        assert_eq!(charges.outside(SECOND * 5, at), Ok(()));
        charges.begin(at);
        for _ in 0..3 {
            assert_eq!(charges.outside(SECOND, at), Ok(()));
            at += BACKGROUND_WINDOW + SECOND;
        }
        assert_eq!(charges.outside(SECOND, at), Ok(()));
        assert!(charges.outside(SECOND / 10, at + SECOND).is_err());
        // While it stops.
        charges.end();
        assert_eq!(charges.outside(SECOND * 5, at), Ok(()));
    }
}
