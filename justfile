# The commands of every day; `just` lists them. Each does only what stands here, so that nobody needs just.

# List the recipes
default:
    @just --list --unsorted

# Format the sources
fmt:
    cargo fmt

# The tests that need nothing but cargo
unit:
    tests/run unit

# Format, lints, licences, and every test, with real servers (as root)
all:
    tests/run

# The live page in a real Chromium
page:
    tests/run page

# In a whole Kubernetes (as root), or in the one of KUBECONFIG
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
