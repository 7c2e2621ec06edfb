//! `convocations man`: the man pages, made of the same texts as `--help`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_mangen::Man;

use super::args::EXIT_STATUS;
use super::{Args, output};
use crate::error::{Code, Error, Result};

/// Prints the program's page, or writes those of all commands into a folder.
pub fn run(folder: Option<&Path>) -> Result<ExitCode> {
    // The version alone: the pages are the same for every target.
    let mut program = Args::command().version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    program.build();
    let Some(folder) = folder else { return output::write(|out| write_page(&program, out)) };
    std::fs::create_dir_all(folder).and_then(|()| write_all(&program, folder)).map_err(|error| {
        let message = format!("`{}` cannot be written: {}.", folder.display(), error.kind());
        Error::new(Code::StoreUnwritable, message).with_hint("Name a folder of yours.")
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, and those of the commands below it.
fn write_all(command: &clap::Command, folder: &Path) -> io::Result<()> {
    let name = Man::new(command.clone()).get_filename();
    let mut file = BufWriter::new(File::create(folder.join(name))?);
    write_page(command, &mut file)?;
    file.flush()?;
    command.get_subcommands().try_for_each(|below| write_all(below, folder))
}

/// As clap_mangen orders a page, with the exit status in a section of its own (man-pages(7)).
fn write_page(command: &clap::Command, out: &mut dyn Write) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_title(out)?;
    man.render_name_section(out)?;
    man.render_synopsis_section(out)?;
    man.render_description_section(out)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(out)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(out)?;
    }
    writeln!(out, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in EXIT_STATUS {
        writeln!(out, ".TP\n{status}\n{meaning}")?;
    }
    match command.get_version() {
        Some(_) => man.render_version_section(out),
        None => Ok(()),
    }
}
