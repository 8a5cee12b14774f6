// Tells in JSON what llhttp, the parser inside Node, makes of messages. Records and answers as in h1_tell.c; a line before
// them says which llhttp it is.
'use strict';

const { METHODS } = require('http');
const { HTTPParser } = require('_http_common');

function parserFor(kind, handlers) {
  const parser = new HTTPParser();
  parser.initialize(kind, {}, 1 << 20, 0);
  for (const name of ['kOnHeaders', 'kOnHeadersComplete', 'kOnBody', 'kOnMessageComplete'])
    parser[HTTPParser[name]] = handlers[name] || (() => {});
  return parser;
}

// The parser says a method as a number, and which table has its name differs between Node's versions: the numbers are
// learnt from the parser itself. A method that only other protocols have (RTSP's DESCRIBE) has none here.
const methodNames = new Map();
for (const name of METHODS) {
  const parser = parserFor(HTTPParser.REQUEST, {
    kOnHeadersComplete: (major, minor, headers, number) => { methodNames.set(number, name); },
  });
  parser.execute(Buffer.from(`${name} ${name === 'CONNECT' ? 'h:1' : '/'} HTTP/1.1\r\nHost: h\r\n\r\n`));
  parser.close();
}

const hex = (text) => Buffer.from(text, 'latin1').toString('hex');
const pairs = (flat) => {
  const fields = [];
  for (let i = 0; i < flat.length; i += 2) fields.push({ name: hex(flat[i]), value: hex(flat[i + 1]) });
  return fields;
};

function tell(role, bytes) {
  const told = { head: false, done: false, upgrade: false, error: '' };
  const body = [];
  let flat = [];
  let url = '';
  const parser = parserFor(role === 'Q' ? HTTPParser.REQUEST : HTTPParser.RESPONSE, {
    kOnHeaders: (headers, part) => {
      flat = flat.concat(headers);
      url += part;
    },
    kOnHeadersComplete: (major, minor, headers, method, target, status, reason, upgrade) => {
      if (told.head) return 0; // what follows is another message
      if (headers) flat = flat.concat(headers);
      told.head = true;
      told.version = `${major}.${minor}`;
      told.method = hex(methodNames.get(method) || '');
      told.target = hex(target || url);
      told.status = status || 0;
      told.reason = hex(reason || '');
      told.upgrade = Boolean(upgrade);
      told.fields = pairs(flat);
      flat = [];
      return role === 'H' ? 1 : 0;
    },
    kOnBody: (part) => {
      if (!told.done) body.push(Buffer.from(part));
    },
    kOnMessageComplete: () => {
      if (!told.done) told.trailers = pairs(flat);
      told.done = true;
    },
  });
  const result = parser.execute(bytes);
  if (result instanceof Error && !told.done) told.error = result.code;
  told.body = Buffer.concat(body).toString('hex');
  parser.close();
  return JSON.stringify(told);
}

const input = require('fs').readFileSync(0);
const lines = [JSON.stringify({ version: process.versions.llhttp, methods: [...methodNames.values()] })];
for (let at = 0; at < input.length;) {
  const length = input.readUInt32LE(at + 1);
  lines.push(tell(String.fromCharCode(input[at]), input.subarray(at + 5, at + 5 + length)));
  at += 5 + length;
}
process.stdout.write(lines.join('\n') + '\n');
