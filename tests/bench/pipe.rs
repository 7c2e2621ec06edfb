//! A program at the other end of a pipe that is spoken to in msgpack, by the same few lines for the floor and
//! for what is held against it.

use std::io::{BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rmpv::Value;

/// The program. Killed when dropped.
pub struct Pipe {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Pipe {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout }
    }

    /// This program as an echo; `more` is what it does before.
    pub fn echo(more: &[&str], environment: &[(&str, String)]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        Self::start(command.arg("echo").args(more).envs(environment.iter().cloned()))
    }

    /// The backend with its first token.
    pub fn backend(command: &mut Command) -> Self {
        let mut backend = Self::start(command.arg("rpc"));
        let hello = [("protocol", Value::from(1)), ("version", "bench".into())];
        backend.call("hello", hello.to_vec());
        backend.get();
        backend
    }

    /// Asks for the token.
    pub fn get(&mut self) {
        self.call("get", vec![("login", "openrouter".into())]);
    }

    /// One message of a call's size there and back.
    pub fn round(&mut self) {
        let message = call("get", vec![("login", "openrouter".into())]);
        self.send(&message);
        assert_eq!(self.receive(), message);
    }

    fn call(&mut self, method: &str, params: Vec<(&str, Value)>) {
        self.send(&call(method, params));
        // [2, "nvim_exec_lua", [chunk, [id, error, result]]]; an event has its name in the id's place.
        let answer = loop {
            let message = self.receive();
            if message[2][1][0].is_u64() {
                break message;
            }
        };
        assert!(answer[2][1][1].is_nil(), "{method}: {answer}");
    }

    fn send(&mut self, message: &Value) {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, message).unwrap();
        self.stdin.write_all(&bytes).unwrap();
    }

    fn receive(&mut self) -> Value {
        rmpv::decode::read_value(&mut self.stdout).unwrap()
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn call(method: &str, params: Vec<(&str, Value)>) -> Value {
    let params = params.into_iter().map(|(key, value)| (key.into(), value)).collect();
    let arguments = vec![1.into(), method.into(), Value::Map(params)];
    Value::Array(vec![2.into(), "call".into(), Value::Array(arguments)])
}
