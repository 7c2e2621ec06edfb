//! The people who live in the sandbox. The consent pages let one choose among them.

/// A pretend person, the same at every provider.
#[derive(Debug, PartialEq, Eq)]
pub struct Account {
    /// GitHub's user name, and the name in the chooser's values.
    pub login: &'static str,
    pub name: &'static str,
    pub email: &'static str,
    pub uuid: &'static str,
    pub organization: &'static str,
    /// ChatGPT's and Copilot's plan.
    pub plan: &'static str,
}

/// The first one is who approves when nobody chooses.
pub const ACCOUNTS: &[Account] = &[
    Account {
        login: "ada",
        name: "Ada Sandbox",
        email: "ada@sandbox.test",
        uuid: "5a17b0c5-0000-4000-8000-00000000ada0",
        organization: "Ada's pretend organisation",
        plan: "plus",
    },
    Account {
        login: "grace",
        name: "Grace Sandbox",
        email: "grace@sandbox.test",
        uuid: "5a17b0c5-0000-4000-8000-0000000c4ace",
        organization: "Grace's pretend organisation",
        plan: "team",
    },
];

/// The account of a login name or an e-mail address; the first one for anybody unknown.
pub fn find(name: Option<&str>) -> &'static Account {
    let known = |account: &&Account| Some(account.login) == name || Some(account.email) == name;
    ACCOUNTS.iter().find(known).unwrap_or(&ACCOUNTS[0])
}
