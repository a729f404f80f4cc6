# The image: one static binary, no shell, no root, nothing to write but /data.
#   docker build --build-arg VERSION="$(git describe --tags --always)" -t headgate .
#   docker run --read-only -p 8080:8080 -v headgate-data:/data -v "$PWD/manifests:/manifests:ro" headgate

FROM golang:1.27.4 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=unknown
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /out/headgate ./cmd/headgate
# What counts is what the binary says of itself.
RUN bash .ci/toolchain "$(go version /out/headgate | awk '{print $NF}')"
# A catalogue that does not compile makes no image.
RUN /out/headgate validate --catalog
RUN mkdir /out/data && cp "$(go env GOROOT)/lib/time/zoneinfo.zip" /out/

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/zoneinfo.zip /zoneinfo.zip
COPY --from=build /src/LICENSE /LICENSE
COPY --from=build /out/headgate /headgate
COPY --from=build --chown=65532:65532 /out/data /data
ENV HEADGATE_DATA_DIR=/data \
    HEADGATE_MANIFESTS=/manifests \
    TMPDIR=/data \
    ZONEINFO=/zoneinfo.zip
USER 65532:65532
VOLUME /data
# Public listener and admin listener. The second stays on 127.0.0.1 unless HEADGATE_ADMIN_ADDR and a token say otherwise.
EXPOSE 8080 8081
ENTRYPOINT ["/headgate"]
CMD ["serve"]
