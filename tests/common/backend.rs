//! `convocations rpc` as Neovim drives it: calls by number, replies and events by name. Everything has a time
//! limit.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rmpv::Value as Msgpack;
use serde_json::{Value, json};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(30);

/// A running backend. Killed when dropped.
pub struct Backend {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: Option<ChildStderr>,
    messages: Receiver<Message>,
    heard: Arc<Mutex<Vec<Message>>>,
    kept: VecDeque<Message>,
    last_id: u64,
}

/// What the backend sent.
#[derive(Debug, Clone)]
pub enum Message {
    /// `id`, error, result.
    Reply(u64, Value, Value),
    /// Name and data.
    Event(String, Value),
}

impl Backend {
    /// Starts `command`; the first call is the caller's.
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .arg("rpc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let (sender, messages) = channel();
        let heard = Arc::<Mutex<Vec<Message>>>::default();
        let all = Arc::clone(&heard);
        std::thread::spawn(move || {
            while let Ok(message) = rmpv::decode::read_value(&mut stdout) {
                let message = read(&message);
                all.lock().unwrap().push(message.clone());
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        Self { child, stdin, stderr, messages, heard, kept: VecDeque::new(), last_id: 0 }
    }

    /// Starts `command` and says `hello` with these options.
    pub fn start(command: &mut Command, options: Value) -> Self {
        let mut backend = Self::spawn(command);
        backend.ok("hello", json!({ "protocol": 1, "version": "test", "options": options }));
        backend
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends bytes as they are.
    pub fn send_raw(&mut self, bytes: &[u8]) {
        // A backend that has ended closes the pipe; what follows will tell.
        let _ = self.stdin.as_mut().unwrap().write_all(bytes);
    }

    /// Sends any notification.
    pub fn notify(&mut self, name: &str, arguments: Vec<Msgpack>) {
        let message = Msgpack::Array(vec![2.into(), name.into(), Msgpack::Array(arguments)]);
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &message).unwrap();
        self.send_raw(&bytes);
    }

    /// Sends a call and returns its number.
    pub fn send(&mut self, method: &str, params: Value) -> u64 {
        self.last_id += 1;
        let id = self.last_id;
        self.notify("call", vec![id.into(), method.into(), to_msgpack(params)]);
        id
    }

    /// Waits for the reply to a call.
    pub fn reply(&mut self, id: u64) -> Result<Value, Value> {
        let wanted = |message: &Message| matches!(message, Message::Reply(found, ..) if *found == id);
        match self.wait(&format!("the reply to call {id}"), wanted) {
            Message::Reply(_, Value::Null, result) => Ok(result),
            Message::Reply(_, error, Value::Null) => Err(error),
            other => panic!("neither error nor result: {other:?}"),
        }
    }

    /// Calls and waits.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.send(method, params);
        self.reply(id)
    }

    /// Calls and expects a result.
    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Calls and expects an error with this code.
    pub fn fails(&mut self, method: &str, params: Value, code: &str) -> Value {
        let error = self.call(method, params).expect_err(method);
        assert_eq!(error["code"], code, "{error}");
        error
    }

    /// Waits for an event that fits.
    pub fn event(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let wanted =
            |message: &Message| matches!(message, Message::Event(found, data) if found == name && fits(data));
        match self.wait(&format!("the event {name}"), wanted) {
            Message::Event(_, data) => data,
            Message::Reply(..) => unreachable!(),
        }
    }

    /// Waits for a stage of a login.
    pub fn stage(&mut self, stage: &str) -> Value {
        self.event("login", |data| data["stage"] == stage)
    }

    fn wait(&mut self, what: &str, wanted: impl Fn(&Message) -> bool) -> Message {
        if let Some(place) = self.kept.iter().position(&wanted) {
            return self.kept.remove(place).unwrap();
        }
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match self.messages.recv_timeout(left) {
                Ok(message) if wanted(&message) => return message,
                Ok(message) => self.kept.push_back(message),
                Err(error) => panic!("{what} did not come ({error}); instead: {:?}", self.kept),
            }
        }
    }

    /// Everything that came and was not waited for.
    pub fn drain(&mut self) -> Vec<Message> {
        self.kept.extend(self.messages.try_iter());
        self.kept.drain(..).collect()
    }

    /// Everything that has come so far, waited for or not.
    pub fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }

    /// Ends its input, waits for its end and returns all that it wrote to standard error.
    pub fn last_words(mut self) -> String {
        let mut text = String::new();
        let mut stderr = self.stderr.take().unwrap();
        assert!(self.close().success());
        stderr.read_to_string(&mut text).unwrap();
        text
    }

    /// Closes its standard input, as a Neovim that ends does.
    pub fn finish_input(&mut self) {
        drop(self.stdin.take());
    }

    /// Closes its standard input and waits for its end.
    pub fn close(mut self) -> ExitStatus {
        self.finish_input();
        self.wait_for_end(LIMIT).expect("it ends at the end of its input")
    }

    /// Waits for its end.
    pub fn wait_for_end(&mut self, limit: Duration) -> Option<ExitStatus> {
        super::common::process::wait_for(limit, || self.child.try_wait().unwrap())
    }

    /// Kills it at once.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.kill();
    }
}

fn read(message: &Msgpack) -> Message {
    let message = to_json(message);
    assert_eq!(
        (&message[0], &message[1]),
        (&json!(2), &json!("nvim_exec_lua")),
        "only notifications: {message}"
    );
    let (code, arguments) = (message[2][0].as_str().unwrap(), &message[2][1]);
    match code {
        "require('conv.backend').on_reply(...)" => {
            Message::Reply(arguments[0].as_u64().unwrap(), arguments[1].clone(), arguments[2].clone())
        }
        "require('conv.backend').on_event(...)" => {
            Message::Event(arguments[0].as_str().unwrap().to_owned(), arguments[1].clone())
        }
        other => panic!("unknown code {other}"),
    }
}

fn to_json(value: &Msgpack) -> Value {
    match value {
        Msgpack::Nil => Value::Null,
        Msgpack::Boolean(boolean) => json!(boolean),
        Msgpack::Integer(number) => json!(number.as_i64().unwrap()),
        Msgpack::F64(number) => json!(number),
        Msgpack::String(text) => json!(text.as_str().unwrap()),
        Msgpack::Array(items) => items.iter().map(to_json).collect(),
        Msgpack::Map(pairs) => Value::Object(
            pairs.iter().map(|(key, value)| (key.as_str().unwrap().to_owned(), to_json(value))).collect(),
        ),
        other => panic!("not of this protocol: {other}"),
    }
}

fn to_msgpack(value: Value) -> Msgpack {
    match value {
        Value::Null => Msgpack::Nil,
        Value::Bool(boolean) => boolean.into(),
        Value::Number(number) => number.as_i64().map_or_else(|| number.as_f64().unwrap().into(), Into::into),
        Value::String(text) => text.into(),
        Value::Array(items) => Msgpack::Array(items.into_iter().map(to_msgpack).collect()),
        Value::Object(map) => {
            Msgpack::Map(map.into_iter().map(|(key, value)| (key.into(), to_msgpack(value))).collect())
        }
    }
}
