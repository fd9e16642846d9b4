//! A backup of the whole store, beside a plain copy of as many bytes.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::{Bench, Outcome, Result};

/// How many bytes are copied at a time.
const PIECE: usize = 1 << 20;

/// Compares a backup with a copy of the file that it made.
pub(crate) fn beside_copy(bench: &Bench) -> Result<Outcome> {
    let (file, copy) = (bench.folder.join("backup"), bench.folder.join("copy"));
    // A backup doesn't overwrite what an earlier run left.
    std::fs::remove_file(&file).ok();
    let used = children_seconds()?;
    let begin = Instant::now();
    let done = Command::new(&bench.program)
        .arg("--data-dir")
        .arg(&bench.folder)
        .arg("backup")
        .arg(&file)
        .stdout(Stdio::null())
        .status()?;
    if !done.success() {
        return Err("the backup failed".into());
    }
    let (time, used) = (begin.elapsed().as_secs_f64(), children_seconds()? - used);
    let gigabytes = file.metadata()?.len() as f64 / 1e9;
    let begin = Instant::now();
    copy_and_sync(&file, &copy)?;
    let plain = begin.elapsed().as_secs_f64();
    for file in [file, copy] {
        std::fs::remove_file(file)?;
    }
    let of_gigabyte = used / gigabytes;
    Ok(Outcome {
        figure: format!(
            "{gigabytes:.2} GB in {time:.1} s, {:.1} times a copy ({plain:.1} s); {of_gigabyte:.1} \
             CPU seconds a GB",
            time / plain
        ),
        goal: "1.25 times a copy, 3 CPU seconds a GB",
        is_reached: time <= 1.25 * plain && of_gigabyte <= 3.0,
    })
}

fn copy_and_sync(from: &std::path::Path, to: &std::path::Path) -> Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let mut piece = vec![0; PIECE];
    loop {
        match from.read(&mut piece)? {
            0 => break,
            length => to.write_all(&piece[..length])?,
        }
    }
    Ok(to.sync_all()?)
}

/// Returns the processor time of all children that ended.
fn children_seconds() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat
        .rsplit_once(')')
        .ok_or("/proc/self/stat can't be read")?;
    // The 16th and the 17th field of the line, counted from the state, which is the third.
    let ticks = rest.split_ascii_whitespace().skip(13).take(2);
    let ticks: u64 = ticks.map(str::parse::<u64>).sum::<Result<_, _>>()?;
    Ok(ticks as f64 / 100.0)
}
