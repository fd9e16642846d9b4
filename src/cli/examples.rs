//! The examples in the help of each command: they are in `examples.txt`, one a line.

use clap::Command;

/// The examples of all commands.
const EXAMPLES: &str = include_str!("examples.txt");

/// Puts the examples of a command, and of the commands below it, into their help.
pub(super) fn add(command: Command) -> Command {
    let name = command.get_name().to_owned();
    below(command, &name)
}

fn below(command: Command, path: &str) -> Command {
    let mut examples = Vec::new();
    for line in EXAMPLES.lines() {
        let words = line.strip_prefix(path);
        let is_of_path = words.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '));
        let next = words.and_then(|rest| rest.split_whitespace().next());
        let is_of_below = next.is_some_and(|next| {
            command
                .get_subcommands()
                .any(|below| below.get_name() == next)
        });
        if is_of_path && !is_of_below {
            examples.push(format!("  {line}"));
        }
    }
    let command = command.mut_subcommands(|subcommand| {
        let path = format!("{path} {}", subcommand.get_name());
        below(subcommand, &path)
    });
    if examples.is_empty() {
        return command;
    }
    command.after_help(format!("Examples:\n{}", examples.join("\n")))
}
