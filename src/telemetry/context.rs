//! The trace that a request belongs to, as its sender says: the header `traceparent` of W3C Trace
//! Context.

/// The trace and the span of others that a span follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parent {
    /// The trace.
    pub(super) trace: u128,
    /// The span.
    pub(super) span: u64,
    /// Whether its sender traces it.
    pub(super) is_sampled: bool,
}

/// Reads a `traceparent`: `00-` and the trace's id, the span's and flags, in hexadecimal. Later
/// versions may have more behind them.
pub(super) fn read_traceparent(text: &str) -> Option<Parent> {
    let mut parts = text.split('-');
    let mut next = |length: usize| {
        let part = parts.next()?;
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (part.len() == length && part.bytes().all(is_hex)).then_some(part)
    };
    let version = next(2)?;
    let trace = u128::from_str_radix(next(32)?, 16).ok()?;
    let span = u64::from_str_radix(next(16)?, 16).ok()?;
    let flags = u8::from_str_radix(next(2)?, 16).ok()?;
    let has_more = parts.next().is_some();
    if version == "ff" || version == "00" && has_more || trace == 0 || span == 0 {
        return None;
    }
    Some(Parent {
        trace,
        span,
        is_sampled: flags & 1 == 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_as_the_specification_has_it() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let read = read_traceparent(text).unwrap();
        assert_eq!(
            (read.trace, read.span, read.is_sampled),
            (
                0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                0x00f0_67aa_0ba9_02b7,
                true
            )
        );
        let unsampled = text.replace("-01", "-00");
        assert!(!read_traceparent(&unsampled).unwrap().is_sampled);
        let later = format!("cc{}-more", &text[2..]);
        assert_eq!(read_traceparent(&later), Some(read));
        for wrong in [
            "",
            "00",
            &text.to_uppercase(),
            &text[..54],
            &format!("{text}-more"),
            &format!("ff{}", &text[2..]),
            &text.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &text.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &text.replace("4bf9", "+bf9"),
        ] {
            assert_eq!(read_traceparent(wrong), None, "{wrong}");
        }
    }
}
