import * as fc from "fast-check";
import { expect, test } from "vitest";
import { isPublicAddress } from "../../src/lib/public-address.ts";

test.each([
  "1.1.1.1",
  "8.8.8.8",
  "93.184.216.34",
  "172.15.0.1",
  "172.32.0.1",
  "100.63.0.1",
  "100.128.0.1",
  "198.17.0.1",
  "198.20.0.1",
  "2606:4700:4700::1111",
  "2001:4860:4860::8888",
  "2a00:1450:4001:80e::200e",
])("%s is public", (address) => expect(isPublicAddress(address)).toBe(true));

test.each([
  ["this network", "0.0.0.0"],
  ["this network", "0.1.2.3"],
  ["private", "10.0.0.1"],
  ["private", "172.16.0.1"],
  ["private", "172.31.255.255"],
  ["private", "192.168.1.1"],
  ["shared by carriers", "100.64.0.1"],
  ["shared by carriers", "100.127.255.255"],
  ["loopback", "127.0.0.1"],
  ["loopback", "127.255.255.254"],
  ["link-local", "169.254.1.1"],
  ["cloud metadata", "169.254.169.254"],
  ["Alibaba's metadata", "100.100.100.200"],
  ["protocol assignments", "192.0.0.170"],
  ["documentation", "192.0.2.1"],
  ["documentation", "198.51.100.1"],
  ["documentation", "203.0.113.1"],
  ["6to4 relay", "192.88.99.1"],
  ["benchmarking", "198.18.0.1"],
  ["benchmarking", "198.19.255.255"],
  ["multicast", "224.0.0.1"],
  ["reserved", "240.0.0.1"],
  ["broadcast", "255.255.255.255"],
  ["unspecified", "::"],
  ["loopback", "::1"],
  ["IPv4-compatible loopback", "::127.0.0.1"],
  ["IPv4-compatible public", "::8.8.8.8"],
  ["IPv4-mapped loopback", "::ffff:127.0.0.1"],
  ["IPv4-mapped loopback", "::ffff:7f00:1"],
  ["IPv4-mapped public", "::ffff:8.8.8.8"],
  ["IPv4-translated", "::ffff:0:10.0.0.1"],
  ["NAT64", "64:ff9b::a00:1"],
  ["local NAT64", "64:ff9b:1::a00:1"],
  ["6to4", "2002:7f00:1::1"],
  ["Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
  ["ISATAP", "2a00:1450:4001:80e:0:5efe:a00:1"],
  ["ISATAP, unique", "2a00:1450:4001:80e:200:5efe:7f00:1"],
  ["ISATAP on link-local", "fe80::5efe:192.168.1.1"],
  ["unique local", "fd00::1"],
  ["AWS metadata", "fd00:ec2::254"],
  ["link-local", "fe80::1"],
  ["site-local", "fec0::1"],
  ["multicast", "ff02::1"],
  ["discard", "100::1"],
  ["documentation", "2001:db8::1"],
  ["documentation", "3fff::1"],
  ["benchmarking", "2001:2::1"],
  ["unassigned", "4000::1"],
  ["segment routing", "5f00::1"],
  ["with a zone", "2606:4700:4700::1111%eth0"],
  ["with a zone", "fe80::1%lo"],
  ["short form", "127.1"],
  ["octal form", "0177.0.0.1"],
  ["hexadecimal form", "0x08080808"],
  ["decimal form", "134744072"],
  ["octal form of a public one", "010.8.8.8"],
  ["a name", "localhost"],
  ["nothing", ""],
  ["with blanks", " 8.8.8.8"],
])("%s: %s is not public", (_what, address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test("no text whatever makes it throw, and no private address passes in any notation", () => {
  fc.assert(fc.property(fc.string(), (text) => void isPublicAddress(text)));
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      for (const prefix of ["::", "::ffff:", "64:ff9b::", "::ffff:0:"]) {
        expect(isPublicAddress(prefix + address)).toBe(false);
      }
    }),
  );
  const octet = fc.integer({ min: 0, max: 255 });
  const inner = fc.tuple(
    fc.constantFrom("10", "127", "0", "169.254", "192.168"),
    octet,
    octet,
    octet,
  );
  fc.assert(
    fc.property(inner, ([net, ...rest]) => {
      const parts = [...net.split("."), ...rest].slice(0, 4);
      expect(isPublicAddress(parts.join("."))).toBe(false);
    }),
  );
});
