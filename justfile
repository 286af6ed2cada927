# Shortcuts for daily commands; `just` lists them. Every recipe is a plain command, so just is optional.

# List the recipes
default:
    @just --list --unsorted

# Format the sources
fmt:
    cargo fmt

# Format, lints, scripts, workflows, licences
checks:
    tests/run checks

# The tests that need only cargo
unit:
    tests/run unit

# Format, lints, licences, and every test, with real servers (as root)
all:
    tests/run

# The live page in a real Chromium
page:
    tests/run page

# The tests in a whole Kubernetes (as root), or in the cluster of KUBECONFIG
cluster:
    tests/run cluster

# Every alert, fired and cleared
alerts:
    tests/run alerts

# What a probe, a scrape and a process cost
bench:
    tests/run bench

# Obtain what `all` needs
get:
    tests/run get

# The page with a scripted incident, on port 10306
demo:
    cargo run -- demo
