// Says "taken" for the paths that a program on Node takes for /admin: by the text of the request's URL, decoded and normalised by
// path.posix.normalize(), or by what new URL() makes of it.
const http = require("http");
const path = require("path");

function guarded(name) {
  return name === "/admin" || name.startsWith("/admin/");
}

function readings(url) {
  const written = url.split("?")[0];
  const found = [written];
  try {
    found.push(path.posix.normalize(decodeURIComponent(written)));
  } catch {
    // no reading
  }
  try {
    const parsed = new URL(url, "http://origin.example").pathname;
    found.push(parsed, decodeURIComponent(parsed));
  } catch {
    // no reading
  }
  return found;
}

http.createServer((request, response) => {
  response.end(readings(request.url).some(guarded) ? "taken" : "other");
}).listen(Number(process.argv[2]), "127.0.0.1");
