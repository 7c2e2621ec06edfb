//! Opens an address in the person's browser. No shell takes part, and only web addresses are opened (D1). A
//! browser that is started here outlives the terminal: Ctrl-C is for the login.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::descriptors;

/// Starts the browser; `false` if none can be started. That it was started does not mean that anybody sees
/// it.
pub fn in_browser(url: &str) -> bool {
    if !(url.starts_with("https://") || url.starts_with("http://")) || url.chars().any(char::is_control) {
        return false;
    }
    openers(url).into_iter().any(start)
}

fn start(mut command: Command) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    descriptors::give_back(&mut command);
    match command.spawn() {
        Ok(mut child) => {
            // Not waited for: some openers stay as long as the browser does.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}

/// The commands that may open the address, best first.
fn openers(url: &str) -> Vec<Command> {
    if let Some(browsers) = std::env::var_os("BROWSER").filter(|value| !value.is_empty()) {
        return match browsers.to_str().filter(|list| !Path::new(list).exists()) {
            Some(list) => list
                .split(if cfg!(windows) { ';' } else { ':' })
                .filter_map(|browser| with_arguments(browser, url))
                .collect(),
            None => vec![with_address(Command::new(browsers), url)],
        };
    }
    let system = |name: &str| std::env::var_os(name).map(PathBuf::from);
    the_systems_own(std::env::consts::OS, system("SystemRoot"), system("PATH"))
        .map(|(program, first)| {
            let mut command = Command::new(program);
            command.args(first);
            with_address(command, url)
        })
        .into_iter()
        .collect()
}

/// The opener that comes with the system, by its whole path, and what it takes before the address: of a bare
/// name a program in the current directory (Windows), or in a relative folder of PATH, could take the place.
fn the_systems_own(
    system: &str,
    windows: Option<PathBuf>,
    path: Option<PathBuf>,
) -> Option<(PathBuf, Option<&'static str>)> {
    match system {
        "macos" => Some(("/usr/bin/open".into(), None)),
        "windows" => {
            let root =
                windows.filter(|root| begins_with_a_drive(root)).unwrap_or_else(|| r"C:\Windows".into());
            // `start` would cut the address at `&`.
            Some((root.join("System32").join("rundll32.exe"), Some("url.dll,FileProtocolHandler")))
        }
        _ => {
            let path = path?;
            let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
            let opener = folders.map(|folder| folder.join("xdg-open")).find(|file| file.is_file())?;
            Some((opener, None))
        }
    }
}

/// Whether it begins as `C:\` does. [`Path::is_absolute`] knows that on Windows alone.
fn begins_with_a_drive(path: &Path) -> bool {
    let text = path.to_string_lossy();
    let mut letters = text.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && letters.as_str().starts_with(r":\")
}

/// One of `BROWSER`'s list: a program and its arguments, with the address where they say `%s`, else at their
/// end.
fn with_arguments(browser: &str, url: &str) -> Option<Command> {
    let mut words = browser.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words.map(|word| word.replace("%s", url)));
    Some(if browser.contains("%s") { command } else { with_address(command, url) })
}

fn with_address(mut command: Command, url: &str) -> Command {
    command.arg(url);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(browser: &str) -> Option<Vec<String>> {
        let command = with_arguments(browser, "https://x.example/?a=1&b=%s")?;
        let all = std::iter::once(command.get_program()).chain(command.get_args());
        Some(all.map(|word| word.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn the_systems_opener_is_started_by_its_whole_path() {
        let named = |system, windows: Option<&str>, path: Option<&str>| {
            let (program, first) = the_systems_own(system, windows.map(Into::into), path.map(Into::into))?;
            Some((program.to_string_lossy().replace('/', r"\"), first))
        };
        let open = Some((r"\usr\bin\open".to_owned(), None));
        assert_eq!(named("macos", None, Some("/tmp/evil")), open);
        let program = |root: &str| {
            let file = format!(r"{root}\System32\rundll32.exe");
            Some((file, Some("url.dll,FileProtocolHandler")))
        };
        assert_eq!(named("windows", Some(r"D:\Win"), None), program(r"D:\Win"));
        for wrong in [None, Some(""), Some("."), Some(r"..\evil"), Some("C:evil")] {
            assert_eq!(named("windows", wrong, None), program(r"C:\Windows"), "{wrong:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_relative_folder_of_path_opens_nothing() {
        let folder = std::env::temp_dir().join(format!("conv-open-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("xdg-open"), "").unwrap();
        let found =
            |path: String| the_systems_own("linux", None, Some(path.into())).map(|(program, _)| program);
        let up = "../".repeat(32);
        let relative = format!("{up}{}", folder.display().to_string().trim_start_matches('/'));
        assert!(Path::new(&relative).join("xdg-open").is_file(), "it is there");
        let seen = [
            found(relative.clone()),
            found(String::new()),
            found(format!("{relative}:{}", folder.display())),
        ];
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(seen, [None, None, Some(folder.join("xdg-open"))]);
    }

    #[test]
    fn a_browser_may_have_arguments_and_a_place_for_the_address() {
        let url = "https://x.example/?a=1&b=%s";
        assert_eq!(words("firefox").unwrap(), ["firefox", url]);
        assert_eq!(words("firefox --new-window").unwrap(), ["firefox", "--new-window", url]);
        assert_eq!(words(" w --app=%s -x ").unwrap(), ["w", &format!("--app={url}"), "-x"]);
        assert_eq!(words(" "), None);
    }
}
