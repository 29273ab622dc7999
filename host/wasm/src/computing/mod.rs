//! Guests that compute: how long they have, and whose turn it is.
//!
//! A guest runs on a thread that serves the network, too. One that is done, or waits, within
//! a slice costs nobody anything. One that has used up its slice ([`SLICE`]) leaves the
//! thread, and goes on when it has a turn ([`turns`]), on a thread that serves nothing else.
//! So however many guests compute, the network's threads are free, and no more guests
//! compute at once than there are processors.
//!
//! The time is measured where the engine interrupts a guest anyway, at its epochs: so a call
//! that does not compute pays for two loads of a number and no clock. It is a sample. A guest
//! that computes for less than an epoch at a time is charged right on average, and not each
//! time.
//!
//! [`SLICE`]: crate::bounds::SLICE

mod charges;
mod exceeded;
mod stint;
mod ticks;
mod turns;

pub(super) use charges::Charges;
pub(super) use exceeded::Exceeded;
pub(super) use stint::Stint;
pub(super) use ticks::Ticks;
pub(super) use turns::{Share, Turns};
