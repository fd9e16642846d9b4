//! Patterns of ARNs, which IAM compares part by part.

use super::pattern::{Pattern, Span, Wildcards};

/// The parts of an ARN: `arn`, partition, service, region, account and resource.
const PARTS: usize = 6;

/// A pattern of ARNs: no wildcard of one part reaches into another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ArnPattern {
    /// `*`
    Any,
    Parts(Box<[Pattern; PARTS]>),
}

impl ArnPattern {
    /// Compiles a pattern; nothing when it hasn't the parts of an ARN.
    pub(super) fn of_spans(spans: &[Span<'_>]) -> Option<Self> {
        if let [Span::Pattern("*")] = spans {
            return Some(Self::Any);
        }
        let mut parts: Vec<Vec<Span<'_>>> = vec![Vec::new()];
        for span in spans {
            let mut rest = match *span {
                Span::Pattern(text) => text,
                // A colon in a value ends no part.
                Span::Plain(_) => {
                    parts.last_mut()?.push(*span);
                    continue;
                }
            };
            while let Some((before, after)) = rest.split_once(':').filter(|_| parts.len() < PARTS) {
                parts.last_mut()?.push(Span::Pattern(before));
                parts.push(Vec::new());
                rest = after;
            }
            parts.last_mut()?.push(Span::Pattern(rest));
        }
        let wildcards = Wildcards::StarAndQuestionMark;
        let compiled = parts
            .iter()
            .map(|spans| Pattern::of_spans(spans, wildcards));
        let parts: [Pattern; PARTS] = compiled.collect::<Vec<_>>().try_into().ok()?;
        Some(Self::Parts(Box::new(parts)))
    }

    /// Tells whether a text is an ARN that it matches.
    pub(super) fn matches(&self, text: &str) -> bool {
        let Self::Parts(own) = self else { return true };
        let parts: Vec<&str> = text.splitn(PARTS, ':').collect();
        parts.len() == PARTS && own.iter().zip(parts).all(|(own, part)| own.matches(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, arn: &str) -> bool {
        ArnPattern::of_spans(&[Span::Pattern(pattern)])
            .unwrap_or_else(|| panic!("{pattern}"))
            .matches(arn)
    }

    #[test]
    fn parts_are_compared_one_by_one() {
        let user = "arn:aws:iam::100000000001:user/bob";
        for (pattern, expected) in [
            ("*", true),
            (user, true),
            ("arn:aws:iam::100000000001:user/*", true),
            ("arn:*:iam::*:user/b?b", true),
            ("arn:aws*:iam::1000000000??:*", true),
            ("arn:aws:iam:*:100000000001:user/bob", true),
            ("arn:aws:iam::100000000001:role/*", false),
            ("arn:aws:iam::200000000002:user/bob", false),
            // A star doesn't reach over a colon.
            ("arn:*::::user/bob", false),
        ] {
            assert_eq!(matches(pattern, user), expected, "{pattern}");
        }
        assert!(matches("arn:aws:sts:::a:b*", "arn:aws:sts:::a:b:c"));
        assert!(!matches("arn:aws:iam::1:*", "arn:aws:iam::1"));
        for bad in ["", "arn", "arn:aws:iam::*", "**"] {
            assert_eq!(ArnPattern::of_spans(&[Span::Pattern(bad)]), None, "{bad:?}");
        }
    }

    #[test]
    fn a_colon_in_a_value_ends_no_part() {
        let of_value = |value| {
            ArnPattern::of_spans(&[Span::Pattern("arn:aws:iam::1:user/"), Span::Plain(value)])
                .unwrap()
        };
        assert!(of_value("a:b").matches("arn:aws:iam::1:user/a:b"));
        assert!(!of_value("*").matches("arn:aws:iam::1:user/bob"));
    }
}
