# Daily commands. `just` lists them; each is one line that also works without just.

[private]
default:
    @just --list

# Simulated meters, a simulated Arkreen endpoint, and the real daemon between them
demo time="30s":
    cargo run --release -- demo --for {{time}}

# All tests
test:
    cargo test --locked

# One test, or all tests whose name contains NAME
test-one name:
    cargo test --locked {{name}}

# Format, then lint all targets
lint:
    cargo fmt
    cargo clippy --all-targets --locked -- -D warnings

# Man pages and shell completions, from the command line's definition
generate:
    cargo xtask generate

# The figures that arkmeter is measured by, or only those that are named: memory, profiles, start, line, scan, rate, cpu, idle, growth
bench *figures:
    cargo bench --bench figures -- {{figures}}

# Everything that must hold before a change lands (as root: it installs tools)
ci:
    .ci/run
