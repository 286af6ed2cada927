//! Texts generated from the definition of the command line.

use super::{CommandError, output};
use crate::cli::Cli;

pub(super) fn completions(shell: clap_complete::Shell) -> Result<u8, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::described(), "readscope", &mut script);
    output::bytes(&script).map_err(CommandError::failure)?;
    Ok(0)
}

pub(super) fn man() -> Result<u8, CommandError> {
    let mut page = Vec::new();
    let mut command = Cli::described();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(CommandError::failure)?;
    for subcommand in command.get_subcommands().filter(|subcommand| subcommand.get_name() != "help") {
        let subcommand = subcommand.clone().display_name(format!("readscope {}", subcommand.get_name()));
        let man = clap_mangen::Man::new(subcommand);
        man.render_synopsis_section(&mut page).map_err(CommandError::failure)?;
        man.render_description_section(&mut page).map_err(CommandError::failure)?;
        man.render_options_section(&mut page).map_err(CommandError::failure)?;
    }
    output::bytes(&page).map_err(CommandError::failure)?;
    Ok(0)
}
