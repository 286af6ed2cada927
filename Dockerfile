# syntax=docker/dockerfile:1
# One static binary in an empty image, run by a numeric user. Builds are reproducible: Cargo.lock pins every crate by checksum,
# and with SOURCE_DATE_EPOCH the image contains no build time.
ARG RUST=1.95

FROM docker.io/library/rust:${RUST}-slim-bookworm AS build
WORKDIR /src
COPY . .
# Static glibc: the image needs no files of a distribution.
ENV RUSTFLAGS="-C target-feature=+crt-static"
ARG REVISION=unknown
ENV READSCOPE_REVISION=${REVISION}
RUN triple="$(uname -m)-unknown-linux-gnu" \
 && cargo build --profile dist --locked --target "$triple" \
 && mkdir /image \
 && cp "target/$triple/dist/readscope" /image/readscope \
 && touch --date=@0 /image/readscope

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="readscope" \
      org.opencontainers.image.description="Shows where the reads of a replicated MySQL go, and when a new replica serves its first read." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/readscope/readscope" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/readscope /readscope
USER 65532:65532
EXPOSE 10306
# `docker run -p 10306:10306` reaches the demo; elsewhere it listens on 127.0.0.1 only.
ENV READSCOPE_DEMO_LISTEN_ADDRESS=:10306
ENTRYPOINT ["/readscope"]
CMD ["run"]
