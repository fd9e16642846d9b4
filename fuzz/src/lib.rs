//! The part that all targets share: libFuzzer's entry, and the seeds.

use std::path::PathBuf;
use std::{env, fs};

pub use libfuzzer_sys;
pub use transire::fuzzing::{Target, target};

/// Makes the program of a target: [`transire::fuzzing`] has its body.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        // A constant, so that the program has no other target's code.
        const TARGET: $crate::Target = $crate::target($name);
        $crate::libfuzzer_sys::fuzz_target!(init: $crate::write_seeds(&TARGET), |input: &[u8]| {
            let _ = (TARGET.body)(input);
        });
    };
}

/// Writes the seeds of a target, and its words as libFuzzer reads them, where `FUZZ_SEEDS` and
/// `FUZZ_WORDS` say.
pub fn write_seeds(target: &Target) {
    if let Some(folder) = env::var_os("FUZZ_SEEDS").map(PathBuf::from) {
        for (place, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{place}")), seed).expect("a seed is written");
        }
    }
    if let Some(file) = env::var_os("FUZZ_WORDS") {
        let escaped = |word: &str| word.bytes().map(|byte| format!("\\x{byte:02x}")).collect();
        let lines = target.words.iter().map(|word| {
            let escaped: String = escaped(word);
            format!("\"{escaped}\"\n")
        });
        fs::write(file, lines.collect::<String>()).expect("the words are written");
    }
}
