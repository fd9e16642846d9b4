//! The examples in the help of each command: they are in `examples.txt`, one a line.

use clap::Command;

/// The examples of all commands.
const EXAMPLES: &str = include_str!("examples.txt");

/// Puts the examples of a command, and of the commands below it, into their help.
pub(super) fn add(command: Command) -> Command {
    let name = command.get_name().to_owned();
    // Divided once: every start of the program comes by here.
    let lines: Vec<_> = EXAMPLES.lines().collect();
    below(command, &name, &lines)
}

/// Puts those of `lines` that are of `path` into the help of its command and of those below it.
fn below(command: Command, path: &str, lines: &[&'static str]) -> Command {
    let of_path = |line: &&str| {
        let rest = line.strip_prefix(path);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let lines: Vec<_> = lines.iter().copied().filter(of_path).collect();
    let is_of_below = |line: &&str| {
        let next = line[path.len()..].split_whitespace().next();
        next.is_some_and(|next| command.find_subcommand(next).is_some())
    };
    let examples: Vec<_> = lines
        .iter()
        .filter(|line| !is_of_below(line))
        .map(|line| format!("  {line}"))
        .collect();
    let command = command.mut_subcommands(|subcommand| {
        let path = format!("{path} {}", subcommand.get_name());
        below(subcommand, &path, &lines)
    });
    if examples.is_empty() {
        return command;
    }
    command.after_help(format!("Examples:\n{}", examples.join("\n")))
}
