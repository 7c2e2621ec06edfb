//! The commands that a message names, in the words of where the person is: `:ConvLogin openai` in Neovim,
//! `convocations login openai` at a terminal.
//!
//! Guarantees: pure. A message is written once, with commands between backticks in the words of either face;
//! each face puts it into its own before it is shown. What has no counterpart stays: a command line can be
//! used from an editor too.

use std::borrow::Cow;

/// That a variable is used in place of what was stored.
pub fn goes_before(variable: &str) -> String {
    format!("`{variable}` of the environment goes before it. Unset that to use what was stored.")
}

/// Where the person is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// Neovim, with the plugin.
    Editor,
    /// A terminal, with the program.
    Terminal,
}

/// The same command for either face, and what may follow it.
struct Command {
    editor: &'static str,
    terminal: &'static str,
    takes: Takes,
}

/// What follows a command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    /// `LOGIN`.
    Login,
    /// `LOGIN METHOD` in the editor, `LOGIN --method METHOD` at a terminal.
    LoginAndMethod,
}

/// Of two that begin the same the longer one stands first.
const COMMANDS: &[Command] = &[
    Command {
        editor: ":ConvLogin!",
        terminal: "convocations login --no-browser",
        takes: Takes::LoginAndMethod,
    },
    Command { editor: ":ConvLogin", terminal: "convocations login", takes: Takes::LoginAndMethod },
    Command { editor: ":ConvLogout", terminal: "convocations logout", takes: Takes::Login },
    Command { editor: ":ConvStatus", terminal: "convocations status", takes: Takes::Nothing },
];

impl Face {
    /// What a person calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Editor => "Neovim",
            Self::Terminal => "your terminal",
        }
    }

    /// A message in this face's words.
    pub fn say(self, message: &str) -> Cow<'_, str> {
        if !message.contains('`') {
            return message.into();
        }
        // Every other piece stands between backticks.
        let spell = |(number, piece): (usize, &str)| match number % 2 {
            1 => self.spell(piece).unwrap_or_else(|| piece.to_owned()),
            _ => piece.to_owned(),
        };
        message.split('`').enumerate().map(spell).collect::<Vec<_>>().join("`").into()
    }

    /// A command of the other face in this one's words.
    fn spell(self, text: &str) -> Option<String> {
        COMMANDS.iter().find_map(|command| {
            let (from, to) = match self {
                Self::Editor => (command.terminal, command.editor),
                Self::Terminal => (command.editor, command.terminal),
            };
            let mut words = text.strip_prefix(from)?.split(' ');
            // `:ConvLogins` is another word.
            words.next().filter(|rest| rest.is_empty())?;
            let words: Vec<&str> = words.filter(|word| *word != "--method").collect();
            let login = words.first().map(|login| format!(" {login}"));
            let method = words.get(1).map(|method| match self {
                Self::Editor => format!(" {method}"),
                Self::Terminal => format!(" --method {method}"),
            });
            Some(match command.takes {
                Takes::Nothing => to.to_owned(),
                Takes::Login => format!("{to}{}", login.unwrap_or_default()),
                Takes::LoginAndMethod => {
                    format!("{to}{}{}", login.unwrap_or_default(), method.unwrap_or_default())
                }
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_said_in_the_words_of_where_the_person_is() {
        for (editor, terminal) in [
            ("Log in with `:ConvLogin openai@work`.", "Log in with `convocations login openai@work`."),
            ("`:ConvLogin! openai device`", "`convocations login --no-browser openai --method device`"),
            (
                "Type `:ConvLogout a`, or `:ConvLogin`.",
                "Type `convocations logout a`, or `convocations login`.",
            ),
            ("`:ConvStatus` lists them.", "`convocations status` lists them."),
            ("`:ConvLogin openai api-key`", "`convocations login openai --method api-key`"),
        ] {
            assert_eq!(Face::Terminal.say(editor), terminal);
            assert_eq!(Face::Editor.say(terminal), editor);
            assert_eq!(
                (Face::Editor.say(editor), Face::Terminal.say(terminal)),
                (editor.into(), terminal.into())
            );
        }
    }

    #[test]
    fn what_is_no_command_of_the_other_face_stays() {
        for text in [
            "Unset `OPENAI_API_KEY`; see :ConvLogin.",
            "An odd ` backtick",
            "`:ConvLogins`",
            "Enter it with `convocations secret set corp@client`.",
        ] {
            assert_eq!((Face::Editor.say(text), Face::Terminal.say(text)), (text.into(), text.into()));
        }
    }
}
