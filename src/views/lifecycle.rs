//! The view of a run of a lifecycle policy.

use crate::service::{self, ImageFate};

view! {
    /// An image that a rule of a lifecycle policy expires.
    pub struct ExpiredImage by digest {
        /// Its digest.
        digest: String,
        /// Its tags.
        tags: Vec<String>,
        /// When the image says that it was made, as in RFC 3339.
        made_at: Option<String>,
        /// The priority of the rule.
        rule: u32,
        /// The outcome: `deleted`; `needed` by an index that stays; `changed`, where its tags did
        /// meanwhile; `listed` in a dry run.
        result: String,
    }
}

view! {
    /// The outcome of a run of a lifecycle policy.
    pub struct LifecycleRun {
        /// The images that rules expire, the oldest first.
        images: Vec<ExpiredImage>,
        /// How many images say no time of their making; they stay, and no rule counts them.
        without_time: usize,
        /// Whether nothing is left for another run.
        complete: bool,
    }
}

impl From<service::LifecycleRun> for LifecycleRun {
    fn from(run: service::LifecycleRun) -> Self {
        let image = |one: service::ExpiredImage| ExpiredImage {
            digest: one.image.digest,
            tags: one.image.tags,
            made_at: one.image.contents.created_at.map(|at| at.rfc3339()),
            rule: one.rule,
            result: match one.fate {
                ImageFate::Listed => "listed",
                ImageFate::Deleted => "deleted",
                ImageFate::Needed => "needed",
                ImageFate::Changed => "changed",
            }
            .to_owned(),
        };
        Self {
            images: run.images.into_iter().map(image).collect(),
            without_time: run.without_time,
            complete: run.is_complete,
        }
    }
}
