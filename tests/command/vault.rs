//! A pretend vault: a shell script that counts its runs and notices when two run at the same time.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use crate::common::{Ran, TestDir, run};

/// A test's home with a vault in it.
pub struct Vault {
    pub dir: TestDir,
}

impl Vault {
    /// A vault whose script, after it has noted its run, does what `body` says; and the settings that make it
    /// the source of `openai`, with `more` in their table.
    pub fn new(body: &str, more: &str) -> Self {
        let vault = Self { dir: TestDir::new() };
        vault.says(body);
        vault.configure(more);
        vault
    }

    pub fn configure(&self, more: &str) {
        let program = self.program();
        self.dir.write_config(&format!(
            "[store]\nbackend = \"local-encrypted\"\n[providers.openai]\nsources = [\"login\", \"command\"]\n\
             [providers.openai.command]\nargv = [\"{}\", \"read\"]\n{more}\n",
            program.display()
        ));
    }

    /// Changes what it does.
    pub fn says(&self, body: &str) {
        let folder = self.dir.path().display().to_string();
        let text = format!(
            "#!/bin/sh\nD='{folder}'\necho run >> \"$D/runs\"\n\
             mkdir \"$D/busy\" 2>/dev/null || echo two >> \"$D/overlaps\"\n{body}\ns=$?\nrmdir \"$D/busy\"\nexit $s\n"
        );
        self.script("vault", &text);
    }

    /// Puts an executable file into the vault's folder.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        // Under another name first: a script that is running just now must not change under it.
        let new = path.with_extension("new");
        std::fs::write(&new, text).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::rename(new, &path).unwrap();
        path
    }

    pub fn program(&self) -> PathBuf {
        self.dir.path().join("vault")
    }

    pub fn cli(&self, args: &str) -> Ran {
        run(&mut self.dir.convocations(args.split_whitespace()), "")
    }

    /// The token that the command line prints.
    #[track_caller]
    pub fn token(&self) -> String {
        self.cli("token openai").ok().stdout.trim().to_owned()
    }

    /// How often it has run.
    pub fn runs(&self) -> usize {
        self.lines("runs")
    }

    /// How often it has run beside another one.
    pub fn overlaps(&self) -> usize {
        self.lines("overlaps")
    }

    fn lines(&self, name: &str) -> usize {
        std::fs::read_to_string(self.dir.path().join(name)).unwrap_or_default().lines().count()
    }
}

/// What it fails with: the exit status, and words on standard error; nothing on standard output.
#[track_caller]
pub fn fails(ran: &Ran, code: i32, words: &str) {
    assert_eq!((ran.code(), ran.stdout.as_str()), (code, ""), "{ran:?}");
    assert!(ran.stderr.contains(words), "{words}: {ran:?}");
    let hinted = ran.stderr.trim_end().lines().count() >= 2;
    assert!(hinted, "no hint: {ran:?}");
}
