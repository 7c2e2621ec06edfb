//! The `convocations` program.

fn main() -> std::process::ExitCode {
    convocations::cli::run()
}
