//! What happens without being asked: news of what other processes did, and what each tick is for.
//!
//! The index's folder is watched, so that a token which another process has fetched is here before the next
//! request. Where nothing can be watched (a network drive, say, or no folder yet), and for time that passes,
//! there is a tick.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::Broker;
use super::events::Event;
use super::sources::Found;
use crate::credential::Validity;
use crate::error::Code;
use crate::protocol::Credential;
use crate::remote::SOURCE;
use crate::store::Stamp;
use crate::tasks;

/// Time between ticks: also where nothing is watched, a login made in one editor is to show in another within
/// a second.
const TICK: Duration = Duration::from_millis(500);

/// Wakes at changes in a folder, as long as it is held.
#[derive(Default)]
struct FolderWatch {
    watcher: Option<RecommendedWatcher>,
    changed: Arc<Notify>,
}

impl FolderWatch {
    /// Begins to watch, if that has not worked before.
    fn ensure(&mut self, folder: &Path) {
        if self.watcher.is_some() || !folder.is_dir() {
            return;
        }
        let changed = Arc::clone(&self.changed);
        let wake = move |event: notify::Result<notify::Event>| {
            if !event.is_ok_and(|event| event.kind.is_access()) {
                changed.notify_one();
            }
        };
        let watching = notify::recommended_watcher(wake).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
            Ok(watcher)
        });
        self.watcher = watching.ok();
        tracing::debug!(watched = self.watcher.is_some(), "the folder of the logins");
    }
}

impl Broker {
    /// Watches and refreshes until the task is aborted.
    pub fn run_background(&self) -> tokio::task::JoinHandle<()> {
        let broker = self.clone();
        // Before the task: what happens until the first tick is news too. To begin to watch takes a thread,
        // for which nobody's first token is to wait.
        let mut seen = broker.0.store.stamp();
        let mut watch = FolderWatch::default();
        tasks::spawn(async move {
            loop {
                tokio::select! {
                    () = watch.changed.notified() => {
                        broker.look_for_news(&mut seen).await;
                        continue;
                    }
                    () = tokio::time::sleep(TICK) => {}
                }
                watch.ensure(&broker.0.store.paths().config_dir());
                broker.look_for_news(&mut seen).await;
                broker.look_at_agent_in_time();
                broker.refresh_ahead();
                broker.write_pending_in_background();
            }
        })
    }

    fn write_pending_in_background(&self) {
        if self.has_pending() {
            let broker = self.clone();
            tasks::spawn(async move { broker.write_all_pending().await });
        }
    }

    async fn look_for_news(&self, seen: &mut Stamp) {
        let stamp = self.0.store.stamp();
        if stamp == *seen {
            return;
        }
        *seen = stamp;
        for held in self.cache().all().into_iter().filter(|held| held.source != SOURCE) {
            // By itself: a keyring that hangs holds up no other login's news, and no tick.
            let broker = self.clone();
            tasks::spawn(async move { broker.push_newer(held).await });
        }
        self.tell_all().await;
    }

    /// Pushes what this process would hand out now for a login that it has handed out, if that is another
    /// token.
    async fn push_newer(&self, held: Credential) {
        // A token that ended is no news; whoever needs one asks.
        match self.look(&held.login, Validity::AtLeast(0), false).await {
            Ok(Found::Good { credential, .. }) if credential.token != held.token => {
                tracing::debug!(login = %held.login, revision = credential.revision, "another process has a newer one");
                self.tell(Event::Credential(credential));
            }
            Err(error) if error.code() == Code::NotLoggedIn => self.forget(&held.login),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_write_in_the_folder_wakes_without_a_tick() {
        let folder = std::env::temp_dir().join(format!("conv-watch-{}", std::process::id()));
        let mut watch = FolderWatch::default();
        watch.ensure(&folder);
        assert!(watch.watcher.is_none(), "there is nothing to watch yet");
        std::fs::create_dir(&folder).unwrap();
        watch.ensure(&folder);
        std::fs::write(folder.join("new"), "x").unwrap();
        std::fs::rename(folder.join("new"), folder.join("credentials.toml")).unwrap();
        let woken = tokio::time::timeout(Duration::from_secs(20), watch.changed.notified()).await;
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(woken.is_ok(), "the change wakes nobody");
    }
}
