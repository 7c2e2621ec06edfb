//! Standard input and output as sockets of the protocol, taken away from everybody else.
//!
//! Guarantees: whatever prints to standard output after [`take`] goes nowhere, so it cannot end the channel;
//! reading and writing never block the runtime and cost no thread on Unix (Neovim gives its jobs socket pairs
//! or pipes).

#[cfg(unix)]
pub use unix::{Output, take};
#[cfg(not(unix))]
pub use windows::{Output, take};

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io::{self, Read as _, Write as _};
    use std::os::fd::{AsFd as _, OwnedFd};
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use futures_util::io::AsyncRead;
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    use tokio::io::unix::AsyncFd;

    /// What Neovim writes.
    pub struct Input(AsyncFd<File>);
    /// What Neovim reads.
    pub struct Output(AsyncFd<File>);

    /// Takes both. Needs a tokio runtime.
    ///
    /// # Errors
    /// If one is not a pipe or a socket, such as a terminal's file.
    pub fn take() -> io::Result<(Input, Output)> {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        let output = io::stdout().as_fd().try_clone_to_owned()?;
        let nothing = File::options().read(true).write(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        rustix::stdio::dup2_stdout(&nothing)?;
        Ok((Input(polled(input)?), Output(polled(output)?)))
    }

    fn polled(descriptor: OwnedFd) -> io::Result<AsyncFd<File>> {
        fcntl_setfl(&descriptor, fcntl_getfl(&descriptor)? | OFlags::NONBLOCK)?;
        // SAFETY: the file owns its descriptor, is not shared, and lives as long as the registration.
        unsafe { AsyncFd::register(File::from(descriptor)) }.map_err(Into::into)
    }

    impl AsyncRead for Input {
        fn poll_read(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            loop {
                let mut ready = ready!(self.0.poll_read_ready(cx))?;
                if let Ok(result) = ready.try_io(|file| file.get_ref().read(buffer)) {
                    return Poll::Ready(result);
                }
            }
        }
    }

    impl Output {
        /// Writes all of it.
        ///
        /// # Errors
        /// If Neovim is gone.
        pub async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
            while !bytes.is_empty() {
                let mut ready = self.0.writable().await?;
                match ready.try_io(|file| file.get_ref().write(bytes)) {
                    Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(Ok(written)) => bytes = &bytes[written..],
                    Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_would_block) => {}
                }
            }
            Ok(())
        }
    }
}

/// Windows has no readiness for anonymous pipes: a thread reads, and writes block.
#[cfg(not(unix))]
mod windows {
    use std::io::{self, Read as _, Write as _};
    use std::pin::Pin;
    use std::task::{Context, Poll, ready};

    use futures_util::io::AsyncRead;
    use tokio::sync::mpsc;

    /// What Neovim writes.
    pub struct Input {
        chunks: mpsc::Receiver<Vec<u8>>,
        rest: Vec<u8>,
    }
    /// What Neovim reads.
    pub struct Output;

    /// Takes both.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn take() -> io::Result<(Input, Output)> {
        let (sender, chunks) = mpsc::channel(16);
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = io::stdin().lock().read(&mut buffer) {
                if sender.blocking_send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        })?;
        Ok((Input { chunks, rest: Vec::new() }, Output))
    }

    impl AsyncRead for Input {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            if self.rest.is_empty() {
                match ready!(self.chunks.poll_recv(cx)) {
                    Some(chunk) => self.rest = chunk,
                    None => return Poll::Ready(Ok(0)),
                }
            }
            let length = buffer.len().min(self.rest.len());
            buffer[..length].copy_from_slice(&self.rest[..length]);
            self.rest.drain(..length);
            Poll::Ready(Ok(length))
        }
    }

    impl Output {
        /// Writes all of it.
        ///
        /// # Errors
        /// If Neovim is gone.
        pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
    }
}
