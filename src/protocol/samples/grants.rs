//! Samples of what is said of grants.

use super::*;

fn grant_use() -> GrantUse {
    GrantUse { login: login(), requests: 2, tokens: 1, at: END - 60 }
}

fn lender() -> LenderReport {
    let address = "unix:/run/user/1000/agent.sock".to_owned();
    LenderReport { address, home: None, label: None, power: None, ends: None, problem: None }
}

pub fn full_lender() -> LenderReport {
    LenderReport {
        home: Some("me@desk".to_owned()),
        label: Some("laptop".to_owned()),
        power: Some(GrantPower::Use),
        ends: Some(END),
        problem: Some(full_error()),
        ..lender()
    }
}

pub fn report(ends: Option<i64>) -> GrantReport {
    GrantReport {
        id: "3fa2c1".to_owned(),
        label: "work@host".to_owned(),
        at: "unix:/run/user/1000/agent.sock".to_owned(),
        logins: vec![login()],
        power: GrantPower::Use,
        lasting: false,
        confirm: false,
        began: END - 3600,
        ends,
        pid: 1,
        uses: 3,
        open: 1,
        refused: 0,
        by_login: vec![grant_use()],
    }
}

fn question() -> GrantQuestion {
    GrantQuestion {
        id: 1,
        grant: "3fa2c1".to_owned(),
        label: "work@host".to_owned(),
        login: login(),
        power: GrantPower::Use,
        program: "ssh (4711)".to_owned(),
        waiting: 1,
        ends: END,
    }
}

fn questions() -> GrantQuestions {
    GrantQuestions { questions: vec![question()] }
}

fn agent_status(ends: Option<i64>, status: LoginStatus) -> AgentStatus {
    AgentStatus {
        version: "0.1.0",
        id: "3fa2c1".to_owned(),
        label: "work@host".to_owned(),
        home: "me@desk".to_owned(),
        power: GrantPower::Use,
        lasting: false,
        confirm: false,
        ends,
        logins: vec![status],
    }
}

fn agent_opened() -> AgentOpened {
    AgentOpened { id: "3fa2c1".to_owned(), address: "unix:/run/user/1000/agent.sock".to_owned() }
}

/// What is said of grants.
pub fn shapes() -> Value {
    let (full, least) = (|| report(Some(END)), || report(None));
    json!({
        "AgentAnswered": pair(AgentAnswered { taken: true }, AgentAnswered { taken: true }),
        "AgentFailure": pair(AgentFailure { error: full_error() }, AgentFailure { error: error() }),
        "LenderReport": pair(full_lender(), lender()),
        "AgentOpened": pair(agent_opened(), agent_opened()),
        "EditorGrants": pair(EditorGrants { grants: vec![full()] }, EditorGrants { grants: vec![least()] }),
        "AgentStatus": pair(agent_status(Some(END), full_status()), agent_status(None, status())),
        "GrantQuestion": pair(question(), question()),
        "GrantQuestions": pair(questions(), questions()),
        "GrantReport": pair(full(), least()),
        "GrantUse": pair(grant_use(), grant_use()),
        "Grants": pair(Grants { grants: vec![full()] }, Grants { grants: vec![least()] }),
    })
}
