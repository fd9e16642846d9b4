#![no_main]
transire_fuzz::target!("iam_policy");
