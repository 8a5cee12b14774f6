// HTTP/2 over TLS, and HTTP/1 where the client asks for that: PORT CERT KEY. Tells what each request was spoken in; a path with
// "required" is refused on HTTP/2 with HTTP_1_1_REQUIRED; an Upgrade of HTTP/1 gets an echo.
const fs = require('fs');
const http2 = require('http2');

const HTTP_1_1_REQUIRED = 0xd;
const [port, cert, key] = process.argv.slice(2);
const server = http2.createSecureServer({cert: fs.readFileSync(cert), key: fs.readFileSync(key), allowHTTP1: true});

server.on('request', (request, response) => {
  if (request.httpVersionMajor === 2 && request.url.includes('required')) {
    request.stream.close(HTTP_1_1_REQUIRED);
    return;
  }
  let bytes = 0;
  request.on('data', (piece) => { bytes += piece.length; });
  request.on('end', () => response.end(`${request.httpVersion} ${request.method} ${bytes}`));
});
server.on('upgrade', (request, socket) => {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
  socket.pipe(socket);
});
server.listen(Number(port), '127.0.0.1');
