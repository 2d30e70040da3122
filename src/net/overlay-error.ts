/** What can go wrong, for programs: match on these, never on a message. */
export type ErrorCode =
  | "ERR_OPTION_INVALID"
  | "ERR_CONFIG_INVALID"
  | "ERR_CONFIG_MISSING"
  | "ERR_BACKEND_UNKNOWN"
  | "ERR_LEASE_MISSING"
  | "ERR_SUBNETS_EXHAUSTED"
  | "ERR_SUBNET_TAKEN"
  | "ERR_REGISTRY_UNAVAILABLE"
  | "ERR_REGISTRY_DENIED"
  | "ERR_REGISTRY_COMPACTED"
  | "ERR_REGISTRY_LEASE_GONE"
  | "ERR_INTERFACE_MISSING"
  | "ERR_ALREADY_RUNNING"
  | "ERR_POD_FAILED"
  | "ERR_TUN_DENIED"
  | "ERR_TUN_BUSY"
  | "ERR_TUN_FAILED"
  | "ERR_SOCKET_FAILED"
  | "ERR_KERNEL_FAILED"
  | "ERR_FILE_FAILED"
  | "ERR_ADDON_MISSING"
  | "ERR_DOCKER_FAILED"
  | "ERR_CNI_FAILED"
  | "ERR_REQUEST_INVALID"
  | "ERR_REQUEST_REFUSED"
  | "ERR_LAB_FAILED";

/** Raised for every failure we foresee. Match on `code`; the message is for people and may change. */
export class OverlayError extends Error {
  override readonly name = "OverlayError";
  readonly code: ErrorCode;
  /** Facts for the log line; the caller that logs spreads them to the top level. */
  readonly fields: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, message: string, fields: OverlayError["fields"] = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.fields = fields;
  }
}
