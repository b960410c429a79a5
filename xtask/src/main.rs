//! Development tasks: `cargo xtask generate` writes the man pages and shell completions from the command line's definition.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser, Subcommand};
use clap_complete::{Generator, Shell};
use clap_mangen::Man;

/// Development tasks of arkmeter
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write the man pages and shell completions into packaging/
    Generate {
        /// Write nothing; fail when a committed file differs from the generated one
        #[arg(long)]
        check: bool,
    },
}

/// Generated files by their path below `packaging/`.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// The folders below `packaging/` that hold generated files and nothing else.
const FOLDERS: [&str; 2] = ["man", "completions"];

fn main() -> ExitCode {
    let Task::Generate { check } = Arguments::parse().task;
    let packaging = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging");
    let outcome =
        generated().and_then(|files| if check { report_stale(&packaging, &files) } else { write(&packaging, &files) });
    outcome.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "cargo xtask generate: {error}");
        ExitCode::FAILURE
    })
}

/// All man pages and completions, as the code defines them now.
fn generated() -> io::Result<Files> {
    let mut command = arkmeter::cli::Arguments::command().disable_help_subcommand(true);
    let mut files = Files::new();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command, "arkmeter", &mut script);
        files.insert(Path::new("completions").join(shell.file_name("arkmeter")), script);
    }
    command.build();
    add_man_pages(&command, &mut files)?;
    Ok(files)
}

/// One page for the command and one for each command below it.
fn add_man_pages(command: &Command, files: &mut Files) -> io::Result<()> {
    for subcommand in command.get_subcommands() {
        add_man_pages(subcommand, files)?;
    }
    let page = Man::new(command.clone()).source("arkmeter").manual("arkmeter");
    let mut text = Vec::new();
    page.render(&mut text)?;
    files.insert(Path::new("man").join(page.get_filename()), text);
    Ok(())
}

fn write(packaging: &Path, files: &Files) -> io::Result<ExitCode> {
    for folder in FOLDERS {
        fs::create_dir_all(packaging.join(folder))?;
    }
    for (path, content) in files {
        fs::write(packaging.join(path), content)?;
    }
    for path in committed(packaging)?.into_iter().filter(|path| !files.contains_key(path)) {
        fs::remove_file(packaging.join(path))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Names each committed file that is not as generated, and each generated file that is not committed.
fn report_stale(packaging: &Path, files: &Files) -> io::Result<ExitCode> {
    let differs = |path: &&PathBuf| fs::read(packaging.join(path)).ok().as_ref() != files.get(*path);
    let (committed, expected) = (committed(packaging)?, files.keys().cloned().collect::<Vec<_>>());
    let mut stale: Vec<_> = committed.iter().chain(&expected).filter(differs).collect();
    stale.sort();
    stale.dedup();
    if stale.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for path in stale {
        writeln!(io::stderr(), "stale: packaging/{}", path.display())?;
    }
    writeln!(io::stderr(), "Run `cargo xtask generate` and commit the result.")?;
    Ok(ExitCode::FAILURE)
}

/// The files that exist now, by their path below `packaging/`.
fn committed(packaging: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        match fs::read_dir(packaging.join(folder)) {
            Ok(entries) => {
                for entry in entries {
                    paths.push(Path::new(folder).join(entry?.file_name()));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(paths)
}
