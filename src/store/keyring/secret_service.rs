//! The Secret Service of a Linux session, by D-Bus calls of our own.
//!
//! The keyring crate's client ends each call after two seconds, whatever the settings say, and prints to
//! standard output, which is the protocol's. What an item is called it says here too: items are the same by
//! either.
//!
//! Guarantees: each call has what is left of the limit, and none begins after its end.

mod few_turns;

use std::cell::Cell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use dbus::arg::{AppendAll, PropMap, ReadAll, RefArg, Variant};
use dbus::blocking::Connection;
use dbus::blocking::stdintf::org_freedesktop_dbus::Properties as _;
use dbus::message::SignalArgs;
use dbus::{Path, arg};
use keyring::secret_service::SsCredential;
use zeroize::Zeroizing;

pub use few_turns::{greet, hang_up};

use super::{KeyringError, Limit, SERVICE, UNLOCK_TIME};
use crate::secret::Secret;

const DESTINATION: &str = "org.freedesktop.secrets";
const SERVICE_PATH: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";
/// The path that stands for none.
const NONE: &str = "/";
/// How often a prompt's end is looked for.
const TICK: Duration = Duration::from_millis(200);

/// A secret on the bus: session, parameters, value, content type.
type Wire = (Path<'static>, Vec<u8>, Vec<u8>, String);

/// Reads an item if it is plainly there, and in no case beyond the limit.
pub fn read_plain(account: &str, limit: Limit) -> Option<Secret> {
    few_turns::read(account, limit.end)
}

/// Reads an item. One that is in no unlocked collection is told from one that is nowhere by asking the
/// default collection itself: to a search, a locked one looks like an empty one.
pub fn read(account: &str, limit: Limit) -> Result<Option<Secret>, KeyringError> {
    let bus = Bus::connect(limit)?;
    // Before the session: see `few_turns`.
    let found = bus.search(account)?;
    let session = bus.session()?;
    let item = match found.unlocked.as_slice() {
        [item] => item.clone(),
        _ => {
            bus.unlocked_collection()?;
            if found.unlocked.is_empty() && !found.locked.is_empty() {
                // In another collection than the one just asked about.
                bus.unlock(found.locked)?;
            }
            match bus.search(account)?.unlocked.into_iter().next() {
                Some(item) => item,
                None => return Ok(None),
            }
        }
    };
    let (wire,): (Wire,) = bus.call(&item, ITEM_INTERFACE, "GetSecret", (session,))?;
    let bytes = Zeroizing::new(wire.2);
    let text = std::str::from_utf8(&bytes).map_err(|_| KeyringError::Denied)?;
    Ok(Some(Secret::new(text)))
}

/// Writes an item, over one of the same name.
pub fn write(account: &str, secret: &Secret, limit: Limit) -> Result<(), KeyringError> {
    let bus = Bus::connect(limit)?;
    let collection = bus.unlocked_collection()?;
    let session = bus.session()?;
    let wire: Wire = (session, Vec::new(), secret.expose().as_bytes().to_vec(), "text/plain".to_owned());
    if let [item] = bus.search(account)?.unlocked.as_slice() {
        return bus.call(item, ITEM_INTERFACE, "SetSecret", (wire,));
    }
    let created: (Path<'static>, Path<'static>) =
        bus.call(&collection, COLLECTION_INTERFACE, "CreateItem", (properties(account)?, wire, true))?;
    match &*created.0 {
        NONE => bus.prompt(created.1),
        _ => Ok(()),
    }
}

/// Removes every item of this name.
pub fn delete(account: &str, limit: Limit) -> Result<(), KeyringError> {
    let bus = Bus::connect(limit)?;
    bus.unlocked_collection()?;
    let found = bus.search(account)?;
    if !found.locked.is_empty() {
        bus.unlock(found.locked.clone())?;
    }
    for item in found.unlocked.iter().chain(&found.locked) {
        let (prompt,): (Path<'static>,) = bus.call(item, ITEM_INTERFACE, "Delete", ())?;
        if &*prompt != NONE {
            bus.prompt(prompt)?;
        }
    }
    Ok(())
}

/// Label and attributes, as the keyring crate gives them.
fn properties(account: &str) -> Result<PropMap, KeyringError> {
    let named = SsCredential::new_with_target(None, SERVICE, account).map_err(|_| KeyringError::Denied)?;
    let property = |name: &str, value: Box<dyn RefArg>| (format!("{ITEM_INTERFACE}.{name}"), Variant(value));
    Ok(PropMap::from([
        property("Label", Box::new(named.label)),
        property("Attributes", Box::new(named.attributes)),
    ]))
}

/// Items that a search finds.
struct FoundItems {
    unlocked: Vec<Path<'static>>,
    locked: Vec<Path<'static>>,
}

/// A connection to the session's bus, for as long as the limit allows.
struct Bus {
    connection: Connection,
    end: Cell<Instant>,
    asks: bool,
}

impl Bus {
    fn connect(limit: Limit) -> Result<Self, KeyringError> {
        // D-Bus would start an X11 program to find a bus; a terminal or a service has none to be found.
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() && !has_user_bus() {
            return Err(KeyringError::Absent);
        }
        let connection = Connection::new_session().map_err(|error| of(&error))?;
        Ok(Self { connection, end: Cell::new(limit.end), asks: limit.asks })
    }

    fn left(&self) -> Result<Duration, KeyringError> {
        let left = self.end.get().saturating_duration_since(Instant::now());
        if left.is_zero() { Err(KeyringError::TimedOut) } else { Ok(left) }
    }

    fn call<R: ReadAll>(
        &self,
        path: &Path<'static>,
        interface: &str,
        method: &str,
        args: impl AppendAll,
    ) -> Result<R, KeyringError> {
        let proxy = self.connection.with_proxy(DESTINATION, path.clone(), self.left()?);
        proxy.method_call(interface, method, args).map_err(|error| of(&error))
    }

    fn service<R: ReadAll>(&self, method: &str, args: impl AppendAll) -> Result<R, KeyringError> {
        self.call(&Path::from(SERVICE_PATH), SERVICE_INTERFACE, method, args)
    }

    /// A session in which secrets travel as they are: the bus is this user's own.
    fn session(&self) -> Result<Path<'static>, KeyringError> {
        let plain = Variant(Box::new(String::new()) as Box<dyn RefArg>);
        let (_, session): (Variant<Box<dyn RefArg>>, _) = self.service("OpenSession", ("plain", plain))?;
        Ok(session)
    }

    /// By service and account alone, since items of older programs have no other attributes; where that finds
    /// several, by the third that ours have.
    fn search(&self, account: &str) -> Result<FoundItems, KeyringError> {
        let mut wanted = HashMap::from([("service", SERVICE), ("username", account)]);
        let (unlocked, locked) = self.service("SearchItems", (wanted.clone(),))?;
        let all = FoundItems { unlocked, locked };
        if all.unlocked.len() + all.locked.len() < 2 {
            return Ok(all);
        }
        wanted.insert("target", "default");
        let (unlocked, locked): (Vec<_>, Vec<_>) = self.service("SearchItems", (wanted,))?;
        Ok(if unlocked.is_empty() && locked.is_empty() { all } else { FoundItems { unlocked, locked } })
    }

    /// The default collection, unlocked.
    fn unlocked_collection(&self) -> Result<Path<'static>, KeyringError> {
        let (collection,): (Path<'static>,) = self.service("ReadAlias", ("default",))?;
        if &*collection == NONE {
            return Err(KeyringError::Absent);
        }
        let proxy = self.connection.with_proxy(DESTINATION, collection.clone(), self.left()?);
        let locked: bool = proxy.get(COLLECTION_INTERFACE, "Locked").map_err(|error| of(&error))?;
        if locked {
            self.unlock(vec![collection.clone()])?;
        }
        Ok(collection)
    }

    /// Unlocks collections or items, if the person may be asked.
    fn unlock(&self, what: Vec<Path<'static>>) -> Result<(), KeyringError> {
        if !self.asks {
            return Err(KeyringError::Locked);
        }
        let (_, prompt): (Vec<Path<'static>>, Path<'static>) = self.service("Unlock", (what,))?;
        if &*prompt == NONE { Ok(()) } else { self.prompt(prompt) }
    }

    /// Lets the keyring ask the person, whose time does not count, and waits for the answer.
    fn prompt(&self, path: Path<'static>) -> Result<(), KeyringError> {
        if !self.asks {
            return Err(KeyringError::Locked);
        }
        let left = self.left()?;
        self.end.set(Instant::now() + UNLOCK_TIME);
        let answer = self.ask(path);
        self.end.set(Instant::now() + left);
        answer
    }

    fn ask(&self, path: Path<'static>) -> Result<(), KeyringError> {
        let (sender, answer) = std::sync::mpsc::channel();
        let proxy = self.connection.with_proxy(DESTINATION, path, self.left()?);
        let told = proxy.match_signal(move |ended: PromptCompleted, _: &Connection, _: &dbus::Message| {
            let _ = sender.send(ended.dismissed);
            true
        });
        told.map_err(|error| of(&error))?;
        let shown: Result<(), dbus::Error> = proxy.method_call(PROMPT_INTERFACE, "Prompt", ("",));
        shown.map_err(|error| of(&error))?;
        loop {
            self.connection.process(self.left()?.min(TICK)).map_err(|error| of(&error))?;
            match answer.try_recv() {
                Ok(false) => return Ok(()),
                Ok(true) => return Err(KeyringError::Locked),
                Err(_) => {}
            }
        }
    }
}

/// The signal by which a prompt ends.
struct PromptCompleted {
    dismissed: bool,
}

impl ReadAll for PromptCompleted {
    fn read(arguments: &mut arg::Iter<'_>) -> Result<Self, arg::TypeMismatchError> {
        Ok(Self { dismissed: arguments.read()? })
    }
}

impl AppendAll for PromptCompleted {
    fn append(&self, arguments: &mut arg::IterAppend<'_>) {
        arg::Append::append(self.dismissed, arguments);
    }
}

impl SignalArgs for PromptCompleted {
    const NAME: &'static str = "Completed";
    const INTERFACE: &'static str = PROMPT_INTERFACE;
}

/// systemd's bus of the user, where libdbus looks next.
fn has_user_bus() -> bool {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
    runtime.is_some_and(|folder| folder.join("bus").exists())
}

/// By the error's name only.
fn of(error: &dbus::Error) -> KeyringError {
    match error.name() {
        Some("org.freedesktop.DBus.Error.NoReply" | "org.freedesktop.DBus.Error.Timeout") => {
            KeyringError::TimedOut
        }
        Some("org.freedesktop.DBus.Error.AccessDenied") => KeyringError::Denied,
        Some("org.freedesktop.Secret.Error.IsLocked") => KeyringError::Locked,
        _ => KeyringError::Absent,
    }
}
