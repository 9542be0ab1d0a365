/**
 * Writes types and signatures as TypeScript has them, from what `deno doc --json` tells.
 *
 * @module
 */

/** A type in the answer of `deno doc --json`. */
export interface TypeNode {
  kind: string;
  repr?: string;
  value: unknown;
}

/** A parameter. */
export interface ParamNode {
  kind: string;
  name?: string;
  optional?: boolean;
  tsType?: TypeNode;
  left?: ParamNode;
  arg?: ParamNode;
}

/** A type parameter. */
export interface TypeParamNode {
  name: string;
  constraint?: TypeNode;
  default?: TypeNode;
}

/** What can be called. */
export interface CallNode {
  params: ParamNode[];
  returnType?: TypeNode;
  tsType?: TypeNode;
  typeParams?: TypeParamNode[];
  /** False for an overload, which only declares. */
  hasBody?: boolean;
}

/** A member of an interface, a class or an object type. */
export interface MemberNode extends Partial<CallNode> {
  name: string;
  kind?: string;
  optional?: boolean;
  readonly?: boolean;
  isStatic?: boolean;
  functionDef?: CallNode;
  keyType?: TypeNode;
}

interface ObjectType {
  properties?: MemberNode[];
  methods?: MemberNode[];
  callSignatures?: CallNode[];
  indexSignatures?: { params: ParamNode[]; tsType?: TypeNode }[];
}

/** A type as it is written. */
export function typeText(type: TypeNode | undefined): string {
  if (type === undefined) return "unknown";
  const { kind, value } = type;
  switch (kind) {
    case "keyword":
      return String(value);
    case "typeRef": {
      const { typeName, typeParams = [] } = value as { typeName: string; typeParams?: TypeNode[] };
      return typeName + listed(typeParams);
    }
    case "literal":
      return literalText(value as Record<string, unknown>);
    case "union":
      return (value as TypeNode[]).map(inUnion).join(" | ");
    case "intersection":
      return (value as TypeNode[]).map(inUnion).join(" & ");
    case "array":
      return /^(?:keyword|typeRef|literal|parenthesized|array|tuple)$/.test(
          (value as TypeNode).kind,
        )
        ? `${typeText(value as TypeNode)}[]`
        : `(${typeText(value as TypeNode)})[]`;
    case "tuple":
      return `[${(value as TypeNode[]).map(typeText).join(", ")}]`;
    case "parenthesized":
      return `(${typeText(value as TypeNode)})`;
    case "typeOperator": {
      const { operator, tsType } = value as { operator: string; tsType: TypeNode };
      return `${operator} ${typeText(tsType)}`;
    }
    case "typeQuery":
      return `typeof ${type.repr}`;
    case "fnOrConstructor": {
      const call = value as CallNode;
      return `${parametersText(call)} => ${typeText(call.tsType)}`;
    }
    case "conditional": {
      const { checkType, extendsType, trueType, falseType } = value as Record<string, TypeNode>;
      return `${typeText(checkType)} extends ${typeText(extendsType)} ` +
        `? ${typeText(trueType)} : ${typeText(falseType)}`;
    }
    case "typeLiteral":
      return objectText(value as ObjectType);
    case "indexedAccess": {
      const { objType, indexType } = value as Record<string, TypeNode>;
      return `${typeText(objType)}[${typeText(indexType)}]`;
    }
    case "optional":
      return `${typeText(value as TypeNode)}?`;
    case "rest":
      return `...${typeText(value as TypeNode)}`;
    case "this":
      return "this";
    default:
      if (type.repr) return type.repr;
      throw new Error(`tools/type_text.ts knows no type of kind "${kind}"; add it`);
  }
}

/** Type parameters, parameters and, after a colon, the result of what can be called. */
export function callText(call: CallNode): string {
  return `${parametersText(call)}: ${typeText(call.returnType ?? call.tsType)}`;
}

/** A member as it stands in its interface or class. */
export function memberText(member: MemberNode): string {
  const { name, kind, optional, readonly, isStatic } = member;
  const before = isStatic ? "static " : "";
  const call = member.functionDef ?? (member.params === undefined ? undefined : member as CallNode);
  if (kind === "getter") return `${before}readonly ${name}: ${typeText(call?.returnType)}`;
  if (kind === "setter") return `${before}${name}: ${parametersText(call as CallNode)}`;
  if (call !== undefined) return `${before}${name}${optional ? "?" : ""}${callText(call)}`;
  const mark = `${readonly ? "readonly " : ""}${name}${optional ? "?" : ""}`;
  return `${before}${mark}: ${typeText(member.tsType)}`;
}

/** Type parameters as they are declared. */
export function typeParametersText(parameters: TypeParamNode[] = []): string {
  if (parameters.length === 0) return "";
  const shown = parameters.map(({ name, constraint, default: otherwise }) =>
    name + (constraint === undefined ? "" : ` extends ${typeText(constraint)}`) +
    (otherwise === undefined ? "" : ` = ${typeText(otherwise)}`)
  );
  return `<${shown.join(", ")}>`;
}

/** The name of a parameter, as it is written. */
export function parameterName(parameter: ParamNode): string {
  if (parameter.kind === "assign") return parameterName(parameter.left as ParamNode);
  if (parameter.kind === "rest") return parameterName(parameter.arg as ParamNode);
  return parameter.name ?? "options";
}

function parametersText(call: CallNode): string {
  const shown = call.params.map((parameter) => {
    if (parameter.kind === "rest") {
      const type = parameter.tsType ?? parameter.arg?.tsType;
      return `...${parameterName(parameter)}: ${typeText(type)}`;
    }
    const type = parameter.kind === "assign" ? parameter.left?.tsType : parameter.tsType;
    const optional = parameter.kind === "assign" || parameter.optional;
    return `${parameterName(parameter)}${optional ? "?" : ""}: ${typeText(type)}`;
  });
  return `${typeParametersText(call.typeParams)}(${shown.join(", ")})`;
}

function objectText(type: ObjectType): string {
  const members = [
    ...(type.callSignatures ?? []).map(callText),
    ...(type.indexSignatures ?? []).map(({ params, tsType }) =>
      `[${params.map((one) => `${one.name}: ${typeText(one.tsType)}`).join(", ")}]: ${
        typeText(tsType)
      }`
    ),
    ...(type.properties ?? []).map(memberText),
    ...(type.methods ?? []).map(memberText),
  ];
  return members.length === 0 ? "{}" : `{ ${members.join("; ")} }`;
}

function inUnion(type: TypeNode): string {
  return type.kind === "fnOrConstructor" || type.kind === "conditional"
    ? `(${typeText(type)})`
    : typeText(type);
}

function literalText(value: Record<string, unknown>): string {
  if (value.kind === "string") return JSON.stringify(value.string);
  if (value.kind === "template") {
    const parts = (value.tsTypes as TypeNode[]).map((part) => {
      const text = (part.value as { kind?: string; string?: string }).string;
      return part.kind === "literal" && text !== undefined ? text : `\${${typeText(part)}}`;
    });
    return `\`${parts.join("")}\``;
  }
  if (!(String(value.kind) in value)) {
    throw new Error(`tools/type_text.ts knows no literal of kind "${value.kind}"; add it`);
  }
  return String(value[value.kind as string]);
}

function listed(types: TypeNode[]): string {
  return types.length === 0 ? "" : `<${types.map(typeText).join(", ")}>`;
}
