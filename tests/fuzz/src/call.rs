use std::time::Duration;

use wasm_flow_gateway::fuzzing::{Arrival, timeout};

/// The most that a part of a message is held back.
const HELD: usize = 16 << 20;

/// What the gateway reads of a call before its messages: the header `grpc-timeout`, as
/// far as the first zero byte, and then a body that comes in pieces.
///
/// A time is what the standard says, or none. Of the body, all bytes pass in their order,
/// once there are no more to come at the latest, and none of them twice. The first byte
/// of what follows the header says how long the pieces are.
pub fn call(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == 0);
    let (header, rest) = data.split_at(end.unwrap_or(data.len()));
    assert_eq!(timeout(header), standard(header));

    let rest = rest.get(1..).unwrap_or_default();
    let Some((piece, body)) = rest.split_first() else {
        return;
    };
    let mut arrival = Arrival::default();
    let mut passed = Vec::new();
    for bytes in body.chunks(usize::from(*piece) + 1) {
        arrival.add(bytes, &mut passed);
        assert!(body.starts_with(&passed), "other bytes");
        assert!(passed.len() <= body.len());
    }
    assert!(body.len() - passed.len() <= HELD + 256, "too much is held");
    arrival.end(&mut passed);
    assert_eq!(passed, body);
}

/// `TimeoutValue TimeoutUnit` of gRPC's protocol: at most eight digits, and a letter.
fn standard(header: &[u8]) -> Option<Duration> {
    let (unit, digits) = header.split_last()?;
    if !(1..=8).contains(&digits.len()) {
        return None;
    }
    let mut count = 0_u64;
    for digit in digits {
        count = count * 10 + char::from(*digit).to_digit(10).map(u64::from)?;
    }
    let nanoseconds: u64 = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    let all = u128::from(count) * u128::from(nanoseconds);
    let seconds = u64::try_from(all / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, (all % 1_000_000_000) as u32))
}
